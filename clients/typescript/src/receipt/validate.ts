/** Validating: a token, a key set and a time in; a receipt or a reason out. */

import {
  audiences,
  readClaims,
  type Claims,
  type Finding,
  type Level,
  type Output,
  type ResultCheck,
} from "./claims.js";
import { JsonFault, Rejected, excerpt } from "./errors.js";
import { member, readObject, type JsonObject } from "./json.js";
import { payloadOf, type Jwks, type PublishedKey } from "./keys.js";
import { check, findingOf, levelAtLeast } from "./rules.js";
import { byteLength, digest, fromBase64url, integer, nonce, text, word } from "./values.js";
import { LEVELS } from "./claims.js";

/** The type of a receipt, compared to the letter. */
export const TYP = "eat+jwt";
export const DEFAULT_LEEWAY_S = 60;
const MAX_LEEWAY_S = 600;
const MAX_TOKEN_BYTES = 1024 * 1024;
const HEADER = ["typ", "alg", "kid"] as const;

/** What a relying party demands of a receipt. */
export interface Demands {
  /** Whose receipts. */
  readonly issuer: string;
  /** Whom they must be for. */
  readonly audience: string;
  /** At least this level; `A1` unless set, and `A0` counts as `A1`. */
  readonly minimumLevel?: Level;
  /** Accepts any level. A0 is what anybody can say without owning a GPU, simulated devices included. */
  readonly dangerAcceptA0?: boolean;
  /** Only receipts about this job: SHA-256 in lower-case hexadecimal digits. */
  readonly job?: string;
  /** Only receipts that answer this challenge: base64url. */
  readonly nonce?: string;
  /** For clocks that disagree: 60 s unless set, 600 s at most. */
  readonly leewayS?: number;
}

interface Expectations {
  readonly issuer: string;
  readonly audience: string;
  readonly minimumLevel: Level;
  readonly job: string | undefined;
  readonly nonce: string | undefined;
  readonly leewayS: number;
}

const MADE_BY_VALIDATION = Symbol("made by validation");

/**
 * A receipt that was validated: signed by a key of the set, for us, in time, and free of contradictions.
 *
 * What it proves is what its claims say, with the source and strength of each. It cannot be made otherwise, nor changed.
 */
export class Receipt {
  /** All claims. */
  readonly claims: Claims;
  /** The key that signed it. */
  readonly kid: string;

  /** @internal */
  constructor(claims: Claims, kid: string, made: symbol) {
    if (made !== MADE_BY_VALIDATION) throw new TypeError("a receipt is made by validating a token");
    this.claims = claims;
    this.kid = kid;
    Object.freeze(this);
  }

  /** The identity of this receipt (`jti`): what to pay once for. Two different tokens may be one receipt. */
  get id(): string {
    return this.claims.jti;
  }

  /** Whose work it is. */
  get subject(): string {
    return this.claims.sub;
  }

  /** What was asked. */
  get jobDigest(): string {
    return this.claims.pogw.job_digest;
  }

  /** What came out. */
  get outputs(): readonly Output[] {
    return this.claims.pogw.outputs;
  }

  /** How much hardware stands behind it. Says nothing about the result. */
  get level(): Level {
    return this.claims.pogw.assurance.level;
  }

  /** The checks of the result that held. They say nothing about the device. */
  get results(): ReadonlySet<ResultCheck> {
    return new Set(this.claims.pogw.assurance.results);
  }

  /** Whether a device in it is software. */
  get isSimulated(): boolean {
    return this.claims.pogw.devices.some((device) => device.simulated);
  }

  /** How one check came out, if the receipt mentions it. */
  finding(method: string): Finding | undefined {
    return findingOf(this.claims.pogw, method);
  }

  /** Whether it has this level or a higher one, and each of these checks of the result held. */
  meets(level: Level, checks: Iterable<ResultCheck> = []): boolean {
    const { results } = this;
    return levelAtLeast(this.level, word(LEVELS)(level)) && [...checks].every((one) => results.has(one));
  }
}

/** Validates receipts against one key set and one set of expectations. */
export class Validator {
  readonly #keys: Jwks;
  readonly #expected: Expectations;

  /** Throws `InvalidValue` for a demand that no receipt could meet. */
  constructor(keys: Jwks, demands: Demands) {
    this.#keys = keys;
    this.#expected = expectations(demands);
  }

  /**
   * Validates a token at a time, in seconds since 1970. Fails with {@link Rejected}, the first reason.
   *
   * It does not remember: pay once for each {@link Receipt.id}.
   */
  async validate(token: string, now: number): Promise<Receipt> {
    const key = keyOf(headerOf(token), this.#keys);
    const payload = await payloadOf(key, token);
    // Nothing of the payload is read before the signature holds.
    if (payload === undefined) throw new Rejected("signature_invalid", `signature of key ${key.kid} does not hold`);
    const claims = readClaims(object("payload", payload));
    isFromAndForUs(claims, this.#expected);
    isInTime(claims, integer()(now), this.#expected.leewayS);
    isWithinLifeOf(key, claims);
    check(claims);
    isWhatWasAsked(claims, this.#expected);
    return new Receipt(claims, key.kid, MADE_BY_VALIDATION);
  }
}

function expectations(demands: Demands): Expectations {
  const level = word(LEVELS)(demands.minimumLevel ?? "A1");
  const atLeastA1 = levelAtLeast(level, "A1") ? level : "A1";
  return {
    issuer: text(demands.issuer),
    audience: text(demands.audience),
    minimumLevel: demands.dangerAcceptA0 === true ? "A0" : atLeastA1,
    job: demands.job === undefined ? undefined : digest(demands.job),
    nonce: demands.nonce === undefined ? undefined : nonce(demands.nonce),
    leewayS: Math.min(integer()(demands.leewayS ?? DEFAULT_LEEWAY_S), MAX_LEEWAY_S),
  };
}

type Header = Readonly<Record<(typeof HEADER)[number], string>>;

/** Structure, without belief: three parts, strict base64url, a header of exactly `typ`, `alg` and `kid`. */
function headerOf(token: string): Header {
  const size = byteLength(token);
  if (size > MAX_TOKEN_BYTES) {
    throw new Rejected("token_too_large", `token: expected at most ${MAX_TOKEN_BYTES} bytes, got ${size}`);
  }
  const parts = token.split(".");
  const [header, payload, signature] = parts;
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    throw new Rejected("token_parts", `token: expected 3 parts, got ${parts.length}`);
  }
  const bytes = decoded("header", header);
  decoded("payload", payload);
  decoded("signature", signature);
  const members = object("header", bytes);
  const foreign = Object.keys(members).filter((name) => !(HEADER as readonly string[]).includes(name));
  if (foreign.length > 0) {
    throw new Rejected("header_member_not_allowed", `header member ${excerpt(foreign.sort()[0])} is not allowed`);
  }
  const [typ, alg, kid] = [headerText(members, "typ"), headerText(members, "alg"), headerText(members, "kid")];
  if (typ !== TYP) throw new Rejected("typ_mismatch", `typ: expected ${TYP}, got ${excerpt(typ)}`);
  return { typ, alg, kid };
}

function headerText(members: JsonObject, name: string): string {
  const value = member(members, name);
  if (value === undefined) throw new Rejected("header_member_missing", `header member ${name} is missing`);
  if (typeof value !== "string") {
    throw new Rejected("header_member_malformed", `header member ${name} is not a string`);
  }
  return value;
}

function decoded(part: string, value: string): Uint8Array {
  const bytes = fromBase64url(value);
  if (bytes === undefined) throw new Rejected("base64url_malformed", `${part} is not unpadded base64url`);
  return bytes;
}

function object(part: string, bytes: Uint8Array): JsonObject {
  try {
    return readObject(bytes);
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw new Rejected(error.code, `${part}: ${error.message}`, { cause: error });
  }
}

/** The key decides the algorithm, not the header (RFC 8725 section 3.1). */
function keyOf({ alg, kid }: Header, keys: Jwks): PublishedKey {
  const key = keys.find(kid);
  if (key === undefined) throw new Rejected("key_unknown", `no key ${excerpt(kid)} in the key set`);
  if (alg !== key.algorithm) {
    throw new Rejected("algorithm_mismatch", `alg: expected ${key.algorithm}, got ${excerpt(alg)}`);
  }
  return key;
}

function isFromAndForUs(claims: Claims, expected: Expectations): void {
  if (claims.iss !== expected.issuer) {
    throw new Rejected("issuer_mismatch", `iss: expected ${expected.issuer}, got ${excerpt(claims.iss)}`);
  }
  if (!audiences(claims).includes(expected.audience)) {
    const stated = excerpt(audiences(claims).join(", "));
    throw new Rejected("audience_mismatch", `aud: expected ${expected.audience}, got ${stated}`);
  }
}

function isInTime({ iat, nbf, exp }: Claims, now: number, leewayS: number): void {
  const latest = now + leewayS;
  if (iat > latest) throw new Rejected("issued_in_future", `iat ${iat} is later than ${latest}`);
  if (nbf > latest) throw new Rejected("not_yet_valid", `nbf ${nbf} is later than ${latest}`);
  // RFC 7519 section 4.1.4: not on or after exp.
  if (exp !== undefined && exp + leewayS <= now) {
    throw new Rejected("expired", `exp ${exp} is not later than ${now} with ${leewayS} s of leeway`);
  }
}

/** No leeway: both times are the issuer's. */
function isWithinLifeOf({ kid, retiredAt }: PublishedKey, { iat }: Claims): void {
  if (retiredAt !== undefined && iat > retiredAt) {
    throw new Rejected("key_retired", `key ${kid} was retired at ${retiredAt}, iat is ${iat}`);
  }
}

function isWhatWasAsked({ pogw, eat_nonce }: Claims, expected: Expectations): void {
  const { level } = pogw.assurance;
  if (!levelAtLeast(level, expected.minimumLevel)) {
    throw new Rejected(
      "assurance_level_too_low",
      `assurance level: expected at least ${expected.minimumLevel}, got ${level}`,
    );
  }
  if (expected.job !== undefined && pogw.job_digest !== expected.job) {
    throw new Rejected("job_mismatch", `job_digest: expected ${expected.job}, got ${pogw.job_digest}`);
  }
  if (expected.nonce !== undefined && eat_nonce !== expected.nonce) {
    throw new Rejected("nonce_mismatch", `eat_nonce: expected ${expected.nonce}, got ${eat_nonce}`);
  }
}
