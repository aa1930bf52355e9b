/**
 * What a receipt says, by its names on the wire, and how it is read. Well-formed, and nothing more: `rules.ts` says what
 * claims may not say at once. The table in the README of the crate `receipt` tells what each claim is.
 */
import { isObject, type Json, type JsonObject } from "./json.ts";
import { Rejected } from "./rejected.ts";
import { fromBase64url } from "./token.ts";

export const PROFILE = "tag:pogw.dev,2026:work-receipt#1";

export const TIERS = ["contraindicated", "warning", "none", "affirming"] as const;
export type Tier = (typeof TIERS)[number];
export const STATUSES = ["affirmed", "refuted", "unverifiable", "not_requested"] as const;
export type Status = (typeof STATUSES)[number];
export const SOURCES = [
  "hardware", "recomputation", "replicas", "verifier_clock", "guest_asserted", "provider_asserted",
] as const;
export type Source = (typeof SOURCES)[number];
export const LEVELS = ["A0", "A1", "A2", "A3"] as const;
export type Level = (typeof LEVELS)[number];
export const RESULT_CHECKS = ["audit", "freivalds", "sumcheck", "replicas"] as const;
export type ResultCheck = (typeof RESULT_CHECKS)[number];

/** Throws for a value that is not of its type; the message says what was expected. */
type Read<T> = (value: Json) => T;
class Malformed extends Error {}

const CATEGORIES = [
  "instance-identity", "configuration", "executables", "file-system",
  "hardware", "runtime-opaque", "storage-opaque", "sourced-data",
] as const;
export type TrustVector = Record<(typeof CATEGORIES)[number], number>;

const text: Read<string> = (value) => {
  if (typeof value !== "string") throw new Malformed("expected text");
  const bytes = new TextEncoder().encode(value).length;
  const printable = !/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u.test(value);
  if (bytes < 1 || bytes > 512 || !printable) throw new Malformed("expected 1 to 512 bytes of printable text");
  return value;
};
const flag: Read<boolean> = (value) => {
  if (typeof value !== "boolean") throw new Malformed("expected true or false");
  return value;
};
const integer = (least: number, most: number): Read<number> => (value) => {
  if (typeof value !== "number" || value < least || value > most) {
    throw new Malformed(`expected an integer from ${least} to ${most}`);
  }
  return value;
};
const count = integer(0, Number.MAX_SAFE_INTEGER);
const time = count;
const digest: Read<string> = (value) => {
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) throw new Malformed("expected 64 hexadecimal digits");
  return value;
};
const binary = (least: number, most: number): Read<string> => (value) => {
  const length = typeof value === "string" ? fromBase64url(value)?.length : undefined;
  if (length === undefined || length < least || length > most) {
    throw new Malformed(`expected base64url of ${least} to ${most} bytes`);
  }
  return value as string;
};
const nonce = binary(8, 64);
const word = <W extends string>(words: readonly W[]): Read<W> => (value) => {
  const found = words.find((known) => known === value);
  if (found === undefined) throw new Malformed(`expected one of ${words.join(", ")}`);
  return found;
};
const list = <T>(item: Read<T>): Read<T[]> => (value) => {
  if (!Array.isArray(value)) throw new Malformed("expected a list");
  return value.map(item);
};

type Shape = Record<string, Read<unknown>>;
type Shaped<R extends Shape, O extends Shape> =
  { [N in keyof R]: ReturnType<R[N]> } & { [N in keyof O]?: ReturnType<O[N]> };

/** A member of the record itself: what every object inherits, such as `constructor`, is none. */
export const own = <T>(record: Record<string, T>, name: string): T | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;

/** An object with these members and no others. An optional member is absent or of its type. */
function object<R extends Shape, O extends Shape>(required: R, optional: O = {} as O): Read<Shaped<R, O>> {
  return (value) => {
    if (!isObject(value)) throw new Malformed("expected an object");
    const read: Record<string, unknown> = Object.create(null);
    for (const [name, member] of Object.entries(value)) {
      const of = own(required, name) ?? own(optional, name);
      if (of === undefined) throw new Malformed(`unknown member ${name.slice(0, 64)}`);
      read[name] = of(member);
    }
    const missing = Object.keys(required).find((name) => !(name in read));
    if (missing !== undefined) throw new Malformed(`missing member ${missing}`);
    return read as Shaped<R, O>;
  };
}

/** Where a member may be left out for a default. */
function vector(value: Json): TrustVector {
  const signedByte = integer(-128, 127);
  const shape = Object.fromEntries(CATEGORIES.map((name) => [name, signedByte]));
  const stated = object({}, shape)(value);
  return Object.fromEntries(CATEGORIES.map((name) => [name, stated[name] ?? 0])) as TrustVector;
}

const asserted = <T>(value: Read<T>) => object({ value, source: word(SOURCES) });
const output = object({ name: text, len: count, blake3: digest });
export const DEVICE_KINDS = ["gpu", "nvswitch", "cpu_tee"] as const;
const device = object({
  id: text, submod: text, kind: word(DEVICE_KINDS), arch: text, simulated: flag,
});
const method: Read<string> = (value) => {
  if (typeof value !== "string" || !/^[a-z0-9_]{1,64}$/.test(value)) throw new Malformed("expected a method");
  return value;
};
const finding = object(
  { method, status: word(STATUSES), source: word(SOURCES) },
  {
    log2_error: integer(-4096, 0),
    wrong_ppm: integer(1, 1_000_000),
    chain: object({
      steps: integer(2, Number.MAX_SAFE_INTEGER), points: integer(1, Number.MAX_SAFE_INTEGER), drawn: integer(1, 0xffffffff),
    }),
    agreeing: integer(2, 8),
  },
);
const results: Read<ResultCheck[]> = (value) => [...new Set(list(word(RESULT_CHECKS))(value))];
const certificate = object(
  { chain: text, position: integer(0, 255), subject: text, status: word(["good", "on_hold", "revoked", "unknown", "not_checked"]) },
  { reason: text, sha256: digest, this_update: time, next_update: time },
);

const work = {
  required: {
    job_digest: digest,
    outputs: list(output),
    devices: list(device),
    methods: list(finding),
    assurance: object({ level: word(LEVELS), results }),
    policy: object({ id: text, sha256: digest }),
    collateral: list(object({ id: text, sha256: digest, as_of: time })),
    revocation: list(certificate),
    evidence_digest: digest,
    as_of: time,
  },
  optional: {
    kernel: object({ name: text, digest }),
    program: asserted(object({ name: text, blake3: digest, exit_code: integer(0, 255) })),
    executor: asserted(text),
    module_digest: asserted(digest),
    trace: object({ entries: count, blake3: digest }),
    timings: object(
      { source: word(SOURCES), started_unix_ms: count, finished_unix_ms: count },
      { device_ns: count },
    ),
    batch: object({ root: digest, index: count, size: count, path: list(digest) }),
    log_index: count,
  },
};

/** Claims of NVIDIA about one device, under NVIDIA's names, as they are typed there. */
const VENDOR: Record<string, Read<unknown>> = {
  measres: (value) => value === null ? null : word(["success", "fail"])(value),
  secboot: (value) => value === null ? null : flag(value),
  ...Object.fromEntries(["dbgstat", "hwmodel", "ueid", "oemid"].map((name) => [name, (value: Json) => {
    if (value !== null && typeof value !== "string") throw new Malformed(`expected ${name} as text`);
    return value;
  }])),
};
const MAX_VENDOR_CLAIMS = 128;

export interface Appraisal {
  ear_status: Tier;
  ear_trustworthiness_vector: TrustVector;
  ear_appraisal_policy_ids: string[];
  eat_nonce?: string;
  vendor: JsonObject;
}

/** Members of an appraisal that are read; what else is no claim of NVIDIA's is passed over, however much like ours it is called. */
const OURS = ["ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids", "eat_nonce"];

const APPRAISAL = object(
  { ear_status: word(TIERS), ear_trustworthiness_vector: vector, ear_appraisal_policy_ids: list(text) },
  { eat_nonce: nonce },
);

function appraisal(value: Json): Appraisal {
  if (!isObject(value)) throw new Malformed("expected an object");
  const [ours, vendor]: [JsonObject, JsonObject] = [Object.create(null), Object.create(null)];
  for (const [name, member] of Object.entries(value)) {
    if (OURS.includes(name)) {
      ours[name] = member;
    } else if (Object.hasOwn(VENDOR, name) || name.startsWith("x-nvidia-")) {
      own(VENDOR, name)?.(member);
      vendor[name] = member;
    }
  }
  if (Object.keys(vendor).length > MAX_VENDOR_CLAIMS) throw new Malformed("too many vendor claims");
  return { ...APPRAISAL(ours), vendor };
}

function submods(value: Json): Record<string, Appraisal> {
  if (!isObject(value)) throw new Malformed("expected an object");
  const read: Record<string, Appraisal> = Object.create(null);
  for (const [name, member] of Object.entries(value)) read[text(name)] = appraisal(member);
  return read;
}

function audience(value: Json): string[] {
  const names = Array.isArray(value) ? value.map(text) : [text(value)];
  const differ = new Set(names).size === names.length;
  if (names.length < 1 || names.length > 16 || !differ) throw new Malformed("expected 1 to 16 different names");
  return names;
}

const CLAIMS = {
  required: {
    iss: text, sub: text, aud: audience, iat: time, nbf: time, jti: text,
    cnf: object({ jkt: binary(32, 32) }), eat_nonce: nonce,
    ear_verifier_id: object({ developer: text, build: text }),
    ear_status: word(TIERS), submods,
  },
  optional: { exp: time },
};

export type Work = Shaped<typeof work.required, typeof work.optional>;
export type Claims = Shaped<typeof CLAIMS.required, typeof CLAIMS.optional> & { pogw: Work };
export type Finding = Work["methods"][number];
export type Device = Work["devices"][number];

/** Reads the payload of a token. Unknown claims are passed over beside ours and refused inside `pogw`. */
export function readClaims(payload: JsonObject): Claims {
  const profile = member(payload, "", "eat_profile", (value) => {
    if (typeof value !== "string") throw new Malformed("expected text");
    return value;
  });
  if (profile === undefined) throw new Rejected("claim_missing", "eat_profile");
  if (profile !== PROFILE) throw new Rejected("profile_mismatch", profile.slice(0, 64));
  const claims = members(payload, "", CLAIMS.required, CLAIMS.optional);
  const pogw = payload["pogw"];
  if (pogw === undefined) throw new Rejected("claim_missing", "pogw");
  if (!isObject(pogw)) throw new Rejected("claim_malformed", "pogw: expected an object");
  const read = members(pogw, "pogw.", work.required, work.optional);
  const known = { ...work.required, ...work.optional };
  const unknown = Object.keys(pogw).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) throw new Rejected("claim_unknown", `pogw.${unknown.slice(0, 64)}`);
  return { ...claims, pogw: read };
}

function members<R extends Shape, O extends Shape>(from: JsonObject, prefix: string, required: R, optional: O): Shaped<R, O> {
  const read: Record<string, unknown> = Object.create(null);
  for (const [name, of] of Object.entries(required)) {
    read[name] = member(from, prefix, name, of);
    if (read[name] === undefined) throw new Rejected("claim_missing", prefix + name);
  }
  for (const [name, of] of Object.entries(optional)) {
    const value = member(from, prefix, name, of);
    if (value !== undefined) read[name] = value;
  }
  return read as Shaped<R, O>;
}

function member<T>(from: JsonObject, prefix: string, name: string, read: Read<T>): T | undefined {
  const value = from[name];
  if (value === undefined) return undefined;
  try {
    return read(value);
  } catch (error) {
    if (error instanceof Malformed) throw new Rejected("claim_malformed", `${prefix}${name}: ${error.message}`);
    throw error;
  }
}
