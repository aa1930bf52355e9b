/**
 * The small types of claims. Each function returns the value if it is of its type, and throws {@link InvalidValue}
 * otherwise; none of them says that a value is true.
 */

import { InvalidValue, excerpt } from "./errors.js";
import { isObject, member, type Json, type JsonObject } from "./json.js";

export type Read<T> = (value: Json) => T;
export type Out<R> = R extends Read<infer T> ? T : never;
type Readers = Readonly<Record<string, Read<unknown>>>;
/** An object with these members and perhaps those. */
export type Shape<R extends Readers, O extends Readers> = {
  readonly [K in keyof R]: Out<R[K]>;
} & { readonly [K in keyof O]?: Out<O[K]> };

const MAX_TEXT_BYTES = 512;
const MIN_NONCE_BYTES = 8;
const MAX_NONCE_BYTES = 64;

/** Control characters, and those that reorder the text around them: claims end up on terminals. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;
const BASE64URL = /^[A-Za-z0-9_-]*$/;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Strict: no padding, no other alphabet, no white space, no spare bits in the last character. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!BASE64URL.test(text) || text.length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let [bits, count, at] = [0, 0, 0];
  for (const character of text) {
    bits = ((bits << 6) | ALPHABET.indexOf(character)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes[at] = (bits >> count) & 0xff;
    at += 1;
  }
  return (bits & ((1 << count) - 1)) === 0 ? bytes : undefined;
}

export function toBase64url(bytes: Uint8Array): string {
  const plain = btoa(String.fromCharCode(...bytes));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

export function string(value: Json): string {
  if (typeof value !== "string") throw InvalidValue.of("value", "a string", value);
  return value;
}

/** 1 to 512 bytes of printable text. */
export function text(value: Json): string {
  const given = string(value);
  const size = byteLength(given);
  if (size < 1 || size > MAX_TEXT_BYTES || UNPRINTABLE.test(given)) {
    throw InvalidValue.of("text", `1 to ${MAX_TEXT_BYTES} bytes of printable text`, given);
  }
  return given;
}

export function integer(lowest = 0, highest = Number.MAX_SAFE_INTEGER): Read<number> {
  return (value) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < lowest || value > highest) {
      throw InvalidValue.of("number", `an integer from ${lowest} to ${highest}`, value);
    }
    return value;
  };
}

export function flag(value: Json): boolean {
  if (typeof value !== "boolean") throw InvalidValue.of("value", "true or false", value);
  return value;
}

/** 32 bytes, as 64 lower-case hexadecimal digits. */
export function digest(value: Json): string {
  if (!/^[0-9a-f]{64}$/.test(string(value))) throw InvalidValue.of("digest", "64 lower-case hexadecimal digits", value);
  return string(value);
}

export function nonce(value: Json): string {
  const bytes = fromBase64url(string(value));
  if (bytes === undefined || bytes.length < MIN_NONCE_BYTES || bytes.length > MAX_NONCE_BYTES) {
    throw InvalidValue.of("nonce", `base64url of ${MIN_NONCE_BYTES} to ${MAX_NONCE_BYTES} bytes`, value);
  }
  return string(value);
}

export function thumbprint(value: Json): string {
  if (fromBase64url(string(value))?.length !== 32) throw InvalidValue.of("thumbprint", "base64url of 32 bytes", value);
  return string(value);
}

export function word<const W extends readonly string[]>(words: W): Read<W[number]> {
  return (value) => {
    const given = string(value);
    if (!words.includes(given)) throw InvalidValue.of("word", words.join(" | "), value);
    return given;
  };
}

export function orNull<T>(read: Read<T>): Read<T | null> {
  return (value) => (value === null ? null : read(value));
}

export function array<T>(item: Read<T>): Read<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value)) throw InvalidValue.of("value", "an array", value);
    return Object.freeze((value as readonly Json[]).map((one) => item(one)));
  };
}

export function members(value: Json): JsonObject {
  if (!isObject(value)) throw InvalidValue.of("value", "an object", value);
  return value;
}

/** An object of exactly these members. `null` is not a way to be absent. */
export function shape<R extends Readers, O extends Readers = Record<never, never>>(
  required: R,
  optional?: O,
): Read<Shape<R, O>> {
  const readers: Readers = { ...required, ...optional };
  return (value) => {
    const given = members(value);
    for (const name of Object.keys(required)) {
      if (!Object.hasOwn(given, name)) throw new InvalidValue(`member ${name} is missing`);
    }
    for (const name of Object.keys(given)) {
      if (!Object.hasOwn(readers, name)) throw new InvalidValue(`member ${excerpt(name)} is unknown`);
    }
    const read = new Map<string, unknown>();
    for (const [name, reader] of Object.entries(readers)) {
      const one = member(given, name);
      if (one !== undefined) read.set(name, reader(one));
    }
    return Object.freeze(Object.fromEntries(read)) as Shape<R, O>;
  };
}
