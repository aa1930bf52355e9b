/** Validating: a token, a key set and a time in; a receipt or the first reason out. The order is that of the crate. */
import { LEVELS, readClaims, type Claims, type Level } from "./claims.ts";
import { readObject } from "./json.ts";
import { CannotVerify, hasSigned, type Key } from "./keys.ts";
import { Rejected } from "./rejected.ts";
import { check } from "./rules.ts";
import { readHeader, split } from "./token.ts";

/** Leeway for clocks that disagree, in seconds. */
export const LEEWAY_S = 60;

/** What a relying party demands. */
export interface Expectations {
  issuer: string;
  /** Without one it is not checked for whom the receipt is, and whoever shows it has to say so. */
  audience?: string | undefined;
  minimumLevel: Level;
  job?: string | undefined;
  nonce?: string | undefined;
}

/** The audience is the one that was demanded. */
export type Judged =
  /** Signed by a key of the set, for us, in time, and free of contradictions. */
  | { verdict: "valid"; claims: Claims; kid: string; audience: string | undefined }
  /** It is no receipt for us. The claims are there if the issuer signed them: then they are its words, and not for us. */
  | { verdict: "rejected"; code: string; detail: string; claims: Claims | undefined; kid: string | undefined; audience: string | undefined };

export type Outcome =
  | Judged
  /** Nothing can be said. */
  | { verdict: "unavailable"; detail: string };

export async function validate(token: string, keys: Key[], expected: Expectations, nowS: number): Promise<Outcome> {
  const { audience } = expected;
  let claims: Claims | undefined;
  let kid: string | undefined;
  try {
    const compact = split(token);
    const header = readHeader(compact.header);
    const key = keys.find((known) => known.kid === header.kid);
    if (key === undefined) throw new Rejected("key_unknown", header.kid.slice(0, 64));
    // The key decides the algorithm, not the header (RFC 8725 section 3.1).
    if (header.alg !== key.algorithm.name) throw new Rejected("algorithm_mismatch", header.alg.slice(0, 64));
    if (!(await hasSigned(key, compact.signingInput, compact.signature))) throw new Rejected("signature_invalid");
    kid = key.kid;
    claims = readClaims(readObject(compact.payload));
    isForUsNow(claims, expected, nowS);
    if (key.retiredAt !== undefined && claims.iat > key.retiredAt) throw new Rejected("key_retired");
    check(claims);
    isWhatWeWant(claims, expected);
    return { verdict: "valid", claims, kid: key.kid, audience };
  } catch (error) {
    if (error instanceof CannotVerify) return { verdict: "unavailable", detail: error.message };
    if (error instanceof Rejected) return { verdict: "rejected", code: error.code, detail: error.detail, claims, kid, audience };
    throw error;
  }
}

function isForUsNow(claims: Claims, expected: Expectations, nowS: number): void {
  if (claims.iss !== expected.issuer) throw new Rejected("issuer_mismatch", `expected ${expected.issuer}, got ${claims.iss}`);
  if (expected.audience !== undefined && !claims.aud.includes(expected.audience)) {
    throw new Rejected("audience_mismatch", `expected ${expected.audience}, got ${claims.aud.join(", ")}`);
  }
  if (claims.iat > nowS + LEEWAY_S) throw new Rejected("issued_in_future");
  if (claims.nbf > nowS + LEEWAY_S) throw new Rejected("not_yet_valid");
  if (claims.exp !== undefined && claims.exp + LEEWAY_S <= nowS) throw new Rejected("expired");
}

function isWhatWeWant(claims: Claims, { minimumLevel, job, nonce }: Expectations): void {
  const { level } = claims.pogw.assurance;
  if (LEVELS.indexOf(level) < LEVELS.indexOf(minimumLevel)) {
    throw new Rejected("assurance_level_too_low", `expected at least ${minimumLevel}, got ${level}`);
  }
  if (job !== undefined && claims.pogw.job_digest !== job) throw new Rejected("job_mismatch");
  if (nonce !== undefined && claims.eat_nonce !== nonce) throw new Rejected("nonce_mismatch");
}
