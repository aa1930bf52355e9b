/**
 * JSON as the profile allows it: one reading, whoever reads.
 *
 * Refused beyond RFC 8259: a member named twice, numbers that are not integers of at most 53 bits (RFC 7493), and
 * nesting deeper than {@link MAX_DEPTH}. `JSON.parse` keeps the last of two equal members and reads 1.0 as 1.
 */

import { JsonFault, excerpt } from "./errors.js";

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}

/** Deepest nesting accepted. */
const MAX_DEPTH = 16;

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const INTEGER = /^-?[0-9]+$/;
const WHITE_SPACE = /[ \t\n\r]*/y;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Reads one object and nothing after it. */
export function readObject(bytes: Uint8Array): JsonObject {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed("not UTF-8");
  }
  const value = new Reader(text).whole();
  if (!isObject(value)) throw new JsonFault("json_not_object", "expected an object");
  return value;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member by name, never one of the prototype. */
export function member(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function malformed(why: string): JsonFault {
  return new JsonFault("json_malformed", `not JSON: ${why}`);
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Json {
    const value = this.#value(MAX_DEPTH);
    this.#skip();
    if (this.#at < this.#text.length) throw malformed("something follows");
    return value;
  }

  #value(depthLeft: number): Json {
    switch (this.#peek()) {
      case "{":
        return this.#object(inner(depthLeft));
      case "[":
        return this.#array(inner(depthLeft));
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depthLeft: number): JsonObject {
    const members = new Map<string, Json>();
    this.#list("}", () => {
      if (this.#peek() !== '"') throw malformed("expected a name");
      const name = this.#string();
      if (members.has(name)) throw new JsonFault("json_duplicate_member", `member ${excerpt(name)} occurs twice`);
      this.#expect(":");
      members.set(name, this.#value(depthLeft));
    });
    // Own members, whatever their names: `__proto__` is one like any other.
    return Object.freeze(Object.fromEntries(members));
  }

  #array(depthLeft: number): readonly Json[] {
    const items: Json[] = [];
    this.#list("]", () => items.push(this.#value(depthLeft)));
    return Object.freeze(items);
  }

  #list(end: string, item: () => void): void {
    this.#at += 1;
    if (this.#peek() === end) {
      this.#at += 1;
      return;
    }
    for (;;) {
      item();
      if (this.#peek() === end) {
        this.#at += 1;
        return;
      }
      this.#expect(",");
    }
  }

  #string(): string {
    const start = this.#at;
    for (let at = start + 1; at < this.#text.length; at += 1) {
      const unit = this.#text.charCodeAt(at);
      if (unit === 0x5c) at += 1;
      else if (unit === 0x22) {
        this.#at = at + 1;
        return unescaped(this.#text.slice(start, this.#at));
      }
    }
    throw malformed("a string does not end");
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const digits = NUMBER.exec(this.#text)?.[0];
    if (digits === undefined) throw malformed("expected a value");
    this.#at += digits.length;
    const number = Number(digits);
    if (!Number.isFinite(number)) throw malformed("number out of range");
    // Minus zero is a number that only doubles have.
    if (!INTEGER.test(digits) || !Number.isSafeInteger(number) || Object.is(number, -0)) {
      throw new JsonFault("json_number_not_integer", "a number is not an integer of at most 53 bits");
    }
    return number;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw malformed("expected a value");
    this.#at += word.length;
    return value;
  }

  #expect(sign: string): void {
    if (this.#peek() !== sign) throw malformed(`expected ${sign}`);
    this.#at += 1;
  }

  #peek(): string | undefined {
    this.#skip();
    return this.#text[this.#at];
  }

  #skip(): void {
    WHITE_SPACE.lastIndex = this.#at;
    this.#at += WHITE_SPACE.exec(this.#text)?.[0].length ?? 0;
  }
}

/** One string literal; `JSON.parse` knows escapes, and that control characters need one. */
function unescaped(literal: string): string {
  let value: string;
  try {
    value = JSON.parse(literal) as string;
  } catch {
    throw malformed("a string has a wrong escape or a control character");
  }
  if (LONE_SURROGATE.test(value)) throw malformed("a string has half a character");
  return value;
}

function inner(depthLeft: number): number {
  if (depthLeft === 0) throw new JsonFault("json_too_deep", `nested deeper than ${MAX_DEPTH}`);
  return depthLeft - 1;
}
