/**
 * The key set a verifier publishes (RFC 7517 section 5), and signatures by its keys, checked by WebCrypto.
 *
 * As in the crate `receipt`: an algorithm follows from a key's type and curve, a name is the key's thumbprint (RFC 7638), a
 * key with a certificate signs something else, and a defective key of ours refuses the whole set.
 */
import { isObject, readObject, type JsonObject } from "./json.ts";
import { Rejected } from "./rejected.ts";
import { toBase64url, fromBase64url } from "./token.ts";

interface Algorithm {
  name: "ES384" | "ES256" | "Ed25519";
  kty: string;
  crv: string;
  coordinates: readonly ("x" | "y")[];
  bytes: number;
  import: EcKeyImportParams | { name: string };
  verify: EcdsaParams | { name: string };
}

const ecdsa = (name: "ES384" | "ES256", crv: string, bytes: number, hash: string): Algorithm => ({
  name, kty: "EC", crv, coordinates: ["x", "y"], bytes,
  import: { name: "ECDSA", namedCurve: crv },
  verify: { name: "ECDSA", hash },
});

const ALGORITHMS: readonly Algorithm[] = [
  ecdsa("ES384", "P-384", 48, "SHA-384"),
  ecdsa("ES256", "P-256", 32, "SHA-256"),
  { name: "Ed25519", kty: "OKP", crv: "Ed25519", coordinates: ["x"], bytes: 32,
    import: { name: "Ed25519" }, verify: { name: "Ed25519" } },
];
const MAX_KEYS = 256;

/** A key that verifies receipts. */
export interface Key {
  kid: string;
  algorithm: Algorithm;
  jwk: JsonWebKey;
  /** When it signed for the last time, in seconds since 1970; absent while it signs. */
  retiredAt: number | undefined;
}

/** WebCrypto is not there, or does not know the algorithm: then nothing can be said about a signature. */
export class CannotVerify extends Error {}

export async function readKeys(text: string): Promise<Key[]> {
  const set = readObject(new TextEncoder().encode(text));
  const listed = set["keys"];
  if (!Array.isArray(listed) || !listed.every(isObject)) throw new Rejected("jwks_keys_malformed");
  if (listed.length > MAX_KEYS) throw new Rejected("jwks_too_many_keys");
  const keys: Key[] = [];
  for (const members of listed as JsonObject[]) {
    const algorithm = algorithmIfOurs(members);
    if (algorithm !== undefined) keys.push(await readKey(members, algorithm));
  }
  if (keys.length === 0) throw new Rejected("jwks_no_usable_key");
  if (new Set(keys.map((key) => key.kid)).size !== keys.length) throw new Rejected("jwks_key_duplicate");
  return keys;
}

/** Whether the key has signed the message. */
export async function hasSigned(key: Key, message: string, signature: Uint8Array<ArrayBuffer>): Promise<boolean> {
  const subtle = available();
  let imported: CryptoKey;
  try {
    imported = await subtle.importKey("jwk", key.jwk, key.algorithm.import, false, ["verify"]);
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotSupportedError") {
      throw new CannotVerify(`this browser does not check signatures of ${key.algorithm.name}`);
    }
    throw new Rejected("jwk_point_invalid");
  }
  return subtle.verify(key.algorithm.verify, imported, signature, new TextEncoder().encode(message));
}

function available(): SubtleCrypto {
  if (globalThis.crypto?.subtle === undefined) {
    throw new CannotVerify("browsers check signatures on pages that came over https, or from this machine, only");
  }
  return globalThis.crypto.subtle;
}

function algorithmIfOurs(members: JsonObject): Algorithm | undefined {
  if ("use" in members && members["use"] !== "sig") return undefined;
  if ("x5c" in members) return undefined;
  return ALGORITHMS.find(({ kty, crv }) => members["kty"] === kty && members["crv"] === crv);
}

async function readKey(members: JsonObject, algorithm: Algorithm): Promise<Key> {
  if ("d" in members) throw new Rejected("jwk_private_key_published");
  if (text(members, "alg") !== algorithm.name) throw new Rejected("jwk_algorithm_mismatch");
  const required: Record<string, string> = { crv: algorithm.crv, kty: algorithm.kty };
  for (const name of algorithm.coordinates) {
    const value = text(members, name);
    if (fromBase64url(value)?.length !== algorithm.bytes) throw new Rejected("jwk_coordinate_malformed", name);
    required[name] = value;
  }
  const kid = await thumbprint(required);
  if (text(members, "kid") !== kid) throw new Rejected("jwk_kid_mismatch");
  return { kid, algorithm, jwk: required, retiredAt: retirement(members) };
}

/** RFC 7638 section 3: members in the order of their names, no white space. Our names and values need no escapes. */
async function thumbprint(required: Record<string, string>): Promise<string> {
  const members = Object.keys(required).sort().map((name) => `"${name}":"${required[name]}"`);
  const canonical = new TextEncoder().encode(`{${members.join(",")}}`);
  return toBase64url(new Uint8Array(await available().digest("SHA-256", canonical)));
}

function retirement(members: JsonObject): number | undefined {
  const exp = members["exp"];
  if (exp === undefined) return undefined;
  if (typeof exp !== "number" || exp < 0) throw new Rejected("jwk_retirement_malformed");
  return exp;
}

function text(members: JsonObject, name: string): string {
  const value = members[name];
  if (typeof value !== "string") throw new Rejected("jwk_member_missing", name);
  return value;
}
