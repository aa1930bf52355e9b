/** The token as bytes: compact JWS (RFC 7515 section 7.1) with a header of exactly three members. */
import { readObject } from "./json.ts";
import { Rejected } from "./rejected.ts";

const MAX_TOKEN_BYTES = 1024 * 1024;
const TYP = "eat+jwt";

/** A compact JWS taken apart; nothing in it is believed yet. */
export interface Compact {
  signingInput: string;
  header: Uint8Array<ArrayBuffer>;
  payload: Uint8Array<ArrayBuffer>;
  signature: Uint8Array<ArrayBuffer>;
}

export interface Header {
  alg: string;
  kid: string;
}

export function split(token: string): Compact {
  if (new Blob([token]).size > MAX_TOKEN_BYTES) throw new Rejected("token_too_large");
  const parts = token.split(".");
  const [header, payload, signature] = parts;
  if (header === undefined || payload === undefined || signature === undefined || parts.length !== 3) {
    throw new Rejected("token_parts", `expected 3 parts, got ${parts.length}`);
  }
  return {
    signingInput: `${header}.${payload}`,
    header: part(header),
    payload: part(payload),
    signature: part(signature),
  };
}

/** The header. `typ` is compared to the letter; a list of what is allowed needs no list of what is dangerous. */
export function readHeader(bytes: Uint8Array<ArrayBuffer>): Header {
  const members = readObject(bytes);
  const foreign = Object.keys(members).filter((name) => !["typ", "alg", "kid"].includes(name)).sort();
  if (foreign[0] !== undefined) throw new Rejected("header_member_not_allowed", foreign[0].slice(0, 64));
  const text = (name: string): string => {
    const value = members[name];
    if (value === undefined) throw new Rejected("header_member_missing", name);
    if (typeof value !== "string") throw new Rejected("header_member_malformed", name);
    return value;
  };
  const [typ, alg, kid] = [text("typ"), text("alg"), text("kid")];
  if (typ !== TYP) throw new Rejected("typ_mismatch", `expected ${TYP}, got ${typ.slice(0, 64)}`);
  return { alg, kid };
}

/** Bytes of base64url without padding and without spare bits; `undefined` for anything else. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return toBase64url(bytes) === text ? bytes : undefined;
}

export function toBase64url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function part(text: string): Uint8Array<ArrayBuffer> {
  const bytes = fromBase64url(text);
  if (bytes === undefined) throw new Rejected("base64url_malformed");
  return bytes;
}
