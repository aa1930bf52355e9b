/** From the members of a JSON object to claims: each by name, so that a refusal can say which. */

import { InvalidValue, Rejected, excerpt } from "./errors.js";
import { member, type Json, type JsonObject } from "./json.js";
import {
  array,
  digest,
  flag,
  integer,
  members,
  nonce,
  orNull,
  shape,
  string,
  text,
  thumbprint,
  word,
  type Out,
  type Read,
} from "./values.js";

/** The profile of the claims (RFC 9711 section 6). */
export const PROFILE = "tag:pogw.dev,2026:work-receipt#1";

/** How much hardware stands behind a receipt, from the least. */
export const LEVELS = ["A0", "A1", "A2", "A3"] as const;
/** Checks that speak for the result itself. */
export const RESULT_CHECKS = ["audit", "freivalds", "sumcheck", "replicas"] as const;
/** From the worst to the best. `none` stands below `affirming`: where nothing is known, nothing is affirmed. */
export const TIERS = ["contraindicated", "warning", "none", "affirming"] as const;
export const STATUSES = ["affirmed", "refuted", "unverifiable", "not_requested"] as const;
export const SOURCES = [
  "hardware",
  "recomputation",
  "replicas",
  "verifier_clock",
  "guest_asserted",
  "provider_asserted",
] as const;

export type Level = (typeof LEVELS)[number];
export type ResultCheck = (typeof RESULT_CHECKS)[number];
export type Tier = (typeof TIERS)[number];
export type Status = (typeof STATUSES)[number];
export type Source = (typeof SOURCES)[number];

const MAX_AUDIENCES = 16;
const MAX_VENDOR_CLAIMS = 128;
const U8 = 0xff;
const U32 = 0xffff_ffff;

const source = word(SOURCES);
const number = integer();
const category = integer(-128, 127);

const asserted = <T>(value: Read<T>) => shape({ value, source });

const vector = shape(
  {},
  {
    "instance-identity": category,
    configuration: category,
    executables: category,
    "file-system": category,
    hardware: category,
    "runtime-opaque": category,
    "storage-opaque": category,
    "sourced-data": category,
  },
);

const ours = shape(
  {
    ear_status: word(TIERS),
    ear_trustworthiness_vector: vector,
    ear_appraisal_policy_ids: array(text),
  },
  { eat_nonce: nonce },
);
const OURS = ["ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids", "eat_nonce"];

const VENDOR: ReadonlyMap<string, Read<Json>> = new Map<string, Read<Json>>([
  ["measres", orNull(word(["success", "fail"]))],
  ["secboot", orNull(flag)],
  ["dbgstat", orNull(string)],
  ["hwmodel", orNull(string)],
  ["ueid", orNull(string)],
  ["oemid", orNull(string)],
]);

const kernel = shape({ name: text, digest });
const program = shape({ name: text, blake3: digest, exit_code: integer(0, U8) });
const output = shape({ name: text, len: number, blake3: digest });
const trace = shape({ entries: number, blake3: digest });
const device = shape({
  id: text,
  submod: text,
  kind: word(["gpu", "nvswitch", "cpu_tee"]),
  arch: text,
  simulated: flag,
});
const finding = shape(
  { method, status: word(STATUSES), source },
  {
    log2_error: integer(-4096, 0),
    wrong_ppm: integer(1, 1_000_000),
    chain: shape({ steps: integer(2), points: integer(1), drawn: integer(1, U32) }),
    agreeing: integer(2, 8),
  },
);
const assurance = shape({ level: word(LEVELS), results: array(word(RESULT_CHECKS)) });
const policy = shape({ id: text, sha256: digest });
const collateral = shape({ id: text, sha256: digest, as_of: number });
const revocation = shape(
  {
    chain: text,
    position: integer(0, U8),
    subject: text,
    status: word(["good", "on_hold", "revoked", "unknown", "not_checked"]),
  },
  { reason: text, sha256: digest, this_update: number, next_update: number },
);
const timings = shape(
  { source, started_unix_ms: number, finished_unix_ms: number },
  { device_ns: number },
);
const batch = shape({ root: digest, index: number, size: number, path: array(digest) });

/** The appraisal of one device. NVIDIA's own claims, flat beside ours on the wire, are in `vendor`. */
export type Appraisal = Out<typeof ours> & { readonly vendor: JsonObject };
export type CertificateRevocation = Out<typeof revocation>;
export type Collateral = Out<typeof collateral>;
export type Device = Out<typeof device>;
export type Finding = Out<typeof finding>;
export type Output = Out<typeof output>;
export type TrustVector = Out<typeof vector>;

/** The work and what is known about it. The README of the crate `receipt` explains every member. */
export interface Work {
  readonly job_digest: string;
  readonly kernel?: Out<typeof kernel>;
  readonly program?: { readonly value: Out<typeof program>; readonly source: Source };
  readonly executor?: { readonly value: string; readonly source: Source };
  readonly module_digest?: { readonly value: string; readonly source: Source };
  readonly outputs: readonly Output[];
  readonly trace?: Out<typeof trace>;
  readonly devices: readonly Device[];
  readonly methods: readonly Finding[];
  readonly assurance: Out<typeof assurance>;
  readonly policy: Out<typeof policy>;
  readonly collateral: readonly Collateral[];
  readonly revocation: readonly CertificateRevocation[];
  readonly evidence_digest: string;
  readonly timings?: Out<typeof timings>;
  readonly as_of: number;
  readonly batch?: Out<typeof batch>;
  readonly log_index?: number;
}

/** The claims of a receipt, by their names on the wire. Times are seconds since 1970. */
export interface Claims {
  readonly eat_profile: string;
  readonly iss: string;
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly iat: number;
  readonly nbf: number;
  readonly exp?: number;
  readonly jti: string;
  readonly cnf: { readonly jkt: string };
  readonly eat_nonce: string;
  readonly ear_verifier_id: { readonly developer: string; readonly build: string };
  readonly ear_status: Tier;
  readonly submods: Readonly<Record<string, Appraisal>>;
  readonly pogw: Work;
}

type Optional<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T];
/** A reader for each member, in the order in which the Rust crate reads them. */
type ReadersOf<T> = { readonly [K in keyof T]-?: Read<Exclude<T[K], undefined>> };

const WORK: ReadersOf<Work> = {
  job_digest: digest,
  kernel,
  program: asserted(program),
  executor: asserted(text),
  module_digest: asserted(digest),
  outputs: array(output),
  trace,
  devices: array(device),
  methods: array(finding),
  assurance,
  policy,
  collateral: array(collateral),
  revocation: array(revocation),
  evidence_digest: digest,
  timings,
  as_of: number,
  batch,
  log_index: number,
};
const WORK_OPTIONAL: readonly Optional<Work>[] = [
  "kernel",
  "program",
  "executor",
  "module_digest",
  "trace",
  "timings",
  "batch",
  "log_index",
];

const CLAIMS: ReadersOf<Claims> = {
  eat_profile: profile,
  iss: text,
  sub: text,
  aud: audience,
  iat: number,
  nbf: number,
  exp: number,
  jti: text,
  cnf: shape({ jkt: thumbprint }),
  eat_nonce: nonce,
  ear_verifier_id: shape({ developer: text, build: text }),
  ear_status: word(TIERS),
  submods,
  pogw: work,
};
const CLAIMS_OPTIONAL: readonly Optional<Claims>[] = ["exp"];

/** The claims of the profile. Claims it does not know are ignored beside ours, and refused inside `pogw`. */
export function readClaims(payload: JsonObject): Claims {
  return readMembers("", payload, CLAIMS, CLAIMS_OPTIONAL);
}

/** Whom a receipt is for. */
export function audiences(claims: Claims): readonly string[] {
  return typeof claims.aud === "string" ? [claims.aud] : claims.aud;
}

export function isVendorClaim(name: string): boolean {
  return VENDOR.has(name) || name.startsWith("x-nvidia-");
}

function work(value: Json): Work {
  const given = members(value);
  const read = readMembers("pogw.", given, WORK, WORK_OPTIONAL);
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(WORK, name));
  if (unknown.length > 0) {
    throw new Rejected("claim_unknown", `claim pogw.${excerpt(unknown.sort()[0])} is unknown`);
  }
  return read;
}

function readMembers<T>(
  prefix: string,
  given: JsonObject,
  readers: ReadersOf<T>,
  optional: readonly (keyof T)[],
): T {
  const read = new Map<string, unknown>();
  for (const [name, reader] of Object.entries<Read<unknown>>(readers as Record<string, Read<unknown>>)) {
    const value = member(given, name);
    if (value !== undefined) read.set(name, readOne(prefix + name, value, reader));
    else if (!optional.includes(name as keyof T)) {
      throw new Rejected("claim_missing", `claim ${prefix}${name} is missing`);
    }
  }
  return Object.freeze(Object.fromEntries(read)) as T;
}

function readOne(claim: string, value: Json, reader: Read<unknown>): unknown {
  try {
    return reader(value);
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    throw new Rejected("claim_malformed", `claim ${claim}: ${error.message}`, { cause: error });
  }
}

/** Looked at before anything else: the claims of another profile have another shape. */
function profile(value: Json): string {
  const given = string(value);
  if (given !== PROFILE) {
    throw new Rejected("profile_mismatch", `eat_profile: expected ${PROFILE}, got ${excerpt(given)}`);
  }
  return given;
}

/** A string, or an array of 1 to 16 different ones (RFC 7519 section 4.1.3). */
function audience(value: Json): string | readonly string[] {
  if (!Array.isArray(value)) return text(value);
  const names = array(text)(value);
  if (names.length < 1 || names.length > MAX_AUDIENCES || new Set(names).size !== names.length) {
    throw InvalidValue.of("audience", `1 to ${MAX_AUDIENCES} different names`, `${names.length} names`);
  }
  return names;
}

function method(value: Json): string {
  if (!/^[a-z0-9_]{1,64}$/.test(string(value))) {
    throw InvalidValue.of("method", "1 to 64 lower-case letters, digits and underscores", value);
  }
  return string(value);
}

function submods(value: Json): Readonly<Record<string, Appraisal>> {
  const appraisals = Object.entries(members(value)).map(([name, one]) => [text(name), appraisal(one)] as const);
  return Object.freeze(Object.fromEntries(appraisals));
}

/** Our own claims about a device, and NVIDIA's; others are ignored (draft-ietf-rats-ear-04 section 4). */
function appraisal(value: Json): Appraisal {
  const given = Object.entries(members(value));
  const vendor = given.filter(([name]) => isVendorClaim(name));
  if (vendor.length > MAX_VENDOR_CLAIMS) {
    throw InvalidValue.of("number of vendor claims", `at most ${MAX_VENDOR_CLAIMS}`, vendor.length);
  }
  const read = ours(Object.fromEntries(given.filter(([name]) => OURS.includes(name))));
  const typed = vendor.map(([name, claim]) => [name, (VENDOR.get(name) ?? ((any: Json) => any))(claim)] as const);
  return Object.freeze({ ...read, vendor: Object.freeze(Object.fromEntries(typed)) });
}
