/** The key set that a verifier publishes and a marketplace keeps (RFC 7517); keys are named by thumbprint (RFC 7638). */

import { calculateJwkThumbprint, compactVerify, errors, importJWK, type CryptoKey, type JWK } from "jose";

import { JsonFault, JwksError, excerpt } from "./errors.js";
import { isObject, member, readObject, type JsonObject } from "./json.js";
import { byteLength, fromBase64url } from "./values.js";

const MAX_JWKS_BYTES = 128 * 1024;
const MAX_KEYS = 256;

interface Algorithm {
  readonly name: "ES384" | "ES256" | "Ed25519";
  readonly kty: string;
  readonly crv: string;
  /** Length of a coordinate, in bytes. */
  readonly size: number;
}

/** A key decides its algorithm, by its type and curve. */
const ALGORITHMS: readonly Algorithm[] = [
  { name: "ES384", kty: "EC", crv: "P-384", size: 48 },
  { name: "ES256", kty: "EC", crv: "P-256", size: 32 },
  { name: "Ed25519", kty: "OKP", crv: "Ed25519", size: 32 },
];

/** A key in a set, and whether it still signs. */
export interface PublishedKey {
  /** RFC 7638 thumbprint with SHA-256. */
  readonly kid: string;
  readonly algorithm: Algorithm["name"];
  /** When it signed for the last time, in seconds since 1970; absent while it signs. */
  readonly retiredAt?: number;
  readonly key: CryptoKey;
}

/** The public keys of one verifier; never empty, each under its own name. */
export class Jwks {
  readonly #keys: ReadonlyMap<string, PublishedKey>;

  private constructor(keys: ReadonlyMap<string, PublishedKey>) {
    this.#keys = keys;
  }

  /**
   * A set somebody published. Keys for something else are passed over; a defective one of ours refuses the set, with a
   * {@link JwksError}.
   */
  static async parse(text: string): Promise<Jwks> {
    const keys = new Map<string, PublishedKey>();
    for (const members of listed(text)) {
      const algorithm = algorithmIfOurs(members);
      if (algorithm === undefined) continue;
      const key = await readKey(algorithm, members);
      if (keys.has(key.kid)) throw new JwksError("jwks_key_duplicate", `key ${key.kid} occurs twice`);
      keys.set(key.kid, key);
    }
    if (keys.size === 0) throw new JwksError("jwks_no_usable_key", "no usable key");
    return new Jwks(keys);
  }

  /** The key of this name. */
  find(kid: string): PublishedKey | undefined {
    return this.#keys.get(kid);
  }
}

/** What a key has signed, or nothing if the signature does not hold. */
export async function payloadOf(key: PublishedKey, token: string): Promise<Uint8Array | undefined> {
  try {
    const { payload } = await compactVerify(token, key.key, { algorithms: [key.algorithm] });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

function listed(text: string): readonly JsonObject[] {
  const size = byteLength(text);
  if (size > MAX_JWKS_BYTES) {
    throw new JwksError("jwks_too_large", `key set: expected at most ${MAX_JWKS_BYTES} bytes, got ${size}`);
  }
  const keys = member(setOf(text), "keys");
  if (!Array.isArray(keys) || !keys.every(isObject)) {
    throw new JwksError("jwks_keys_malformed", "keys is not an array of objects");
  }
  if (keys.length > MAX_KEYS) {
    throw new JwksError("jwks_too_many_keys", `key set: expected at most ${MAX_KEYS} keys, got ${keys.length}`);
  }
  return keys;
}

function setOf(text: string): JsonObject {
  try {
    return readObject(new TextEncoder().encode(text));
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw new JwksError(error.code, `key set: ${error.message}`, { cause: error });
  }
}

/** A key with a certificate is for other tokens of the same issuer; so is one of another use. */
function algorithmIfOurs(members: JsonObject): Algorithm | undefined {
  const use = member(members, "use");
  if ((use !== undefined && use !== "sig") || member(members, "x5c") !== undefined) return undefined;
  const [kty, crv] = [member(members, "kty"), member(members, "crv")];
  return ALGORITHMS.find((algorithm) => algorithm.kty === kty && algorithm.crv === crv);
}

async function readKey(algorithm: Algorithm, members: JsonObject): Promise<PublishedKey> {
  const { name, kty, crv, size } = algorithm;
  if (member(members, "d") !== undefined) {
    throw new JwksError("jwk_private_key_published", "member d: the private key is published");
  }
  const stated = text(members, "alg");
  if (stated !== name) {
    throw new JwksError("jwk_algorithm_mismatch", `alg: expected ${name}, got ${excerpt(stated)}`);
  }
  const x = coordinate(members, "x", size);
  const jwk: JWK = kty === "EC" ? { kty, crv, x, y: coordinate(members, "y", size) } : { kty, crv, x };
  const key = await point(jwk, name);
  const [kid, thumbprint] = [text(members, "kid"), await calculateJwkThumbprint(jwk)];
  if (kid !== thumbprint) {
    throw new JwksError("jwk_kid_mismatch", `kid: expected ${thumbprint}, got ${excerpt(kid)}`);
  }
  const exp = retirement(members);
  return { kid, algorithm: name, key, ...(exp !== undefined && { retiredAt: exp }) };
}

async function point(jwk: JWK, algorithm: string): Promise<CryptoKey> {
  try {
    // jose gives bytes for shared secrets alone.
    return (await importJWK(jwk, algorithm)) as CryptoKey;
  } catch (error) {
    throw new JwksError("jwk_point_invalid", `not a public key of ${algorithm}, or none for this runtime`, {
      cause: error,
    });
  }
}

function text(members: JsonObject, name: string): string {
  const value = member(members, name);
  if (typeof value !== "string") {
    throw new JwksError("jwk_member_missing", `member ${name} is missing or not a string`);
  }
  return value;
}

function coordinate(members: JsonObject, name: string, size: number): string {
  const value = text(members, name);
  if (fromBase64url(value)?.length !== size) {
    throw new JwksError("jwk_coordinate_malformed", `member ${name}: expected base64url of ${size} bytes`);
  }
  return value;
}

function retirement(members: JsonObject): number | undefined {
  const exp = member(members, "exp");
  if (exp !== undefined && (typeof exp !== "number" || exp < 0)) {
    throw new JwksError(
      "jwk_retirement_malformed",
      `exp: expected seconds since the Unix epoch, got ${excerpt(exp)}`,
    );
  }
  return exp;
}
