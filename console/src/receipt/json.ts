/**
 * JSON as receipts allow it: one reading, whoever reads. Refused beyond RFC 8259 are a member named twice, a number that is
 * not an integer of at most 53 bits, and nesting deeper than 16. `JSON.parse` would take all three.
 */
import { Rejected } from "./rejected.ts";

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [name: string]: Json };

const MAX_DEPTH = 16;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SPACE = /[ \t\n\r]*/y;

/** Reads one object and nothing after it. */
export function readObject(bytes: Uint8Array<ArrayBuffer>): JsonObject {
  const reader = new Reader(decode(bytes));
  const value = reader.value(MAX_DEPTH);
  reader.end();
  if (!isObject(value)) throw new Rejected("json_not_object");
  return value;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decode(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Rejected("json_malformed", "not UTF-8");
  }
}

class Reader {
  private at = 0;
  constructor(private readonly text: string) {}

  value(depthLeft: number): Json {
    this.match(SPACE);
    const next = this.text[this.at];
    let value: Json;
    if (next === "{") value = this.object(depthLeft);
    else if (next === "[") value = this.array(depthLeft);
    else if (next === '"') value = this.string();
    else {
      const word = this.word();
      value = word === undefined ? this.number() : word;
    }
    this.match(SPACE);
    return value;
  }

  end(): void {
    if (this.at !== this.text.length) this.fail();
  }

  private object(depthLeft: number): JsonObject {
    this.enter(depthLeft);
    const members: JsonObject = Object.create(null);
    if (this.takeEmpty("}")) return members;
    do {
      this.match(SPACE);
      const name = this.string();
      this.match(SPACE);
      if (!this.take(":")) this.fail();
      if (name in members) throw new Rejected("json_duplicate_member", name.slice(0, 64));
      members[name] = this.value(depthLeft - 1);
    } while (this.take(","));
    if (!this.take("}")) this.fail();
    return members;
  }

  private array(depthLeft: number): Json[] {
    this.enter(depthLeft);
    const items: Json[] = [];
    if (this.takeEmpty("]")) return items;
    do items.push(this.value(depthLeft - 1));
    while (this.take(","));
    if (!this.take("]")) this.fail();
    return items;
  }

  private enter(depthLeft: number): void {
    if (depthLeft < 1) throw new Rejected("json_too_deep");
    this.at += 1;
  }

  private string(): string {
    const text = this.match(STRING);
    if (text === undefined) this.fail();
    const value: string = JSON.parse(text);
    if (!value.isWellFormed()) this.fail();
    return value;
  }

  private word(): Json | undefined {
    for (const [word, value] of [["true", true], ["false", false], ["null", null]] as const) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return value;
      }
    }
    return undefined;
  }

  private number(): number {
    const text = this.match(NUMBER);
    if (text === undefined) this.fail();
    const value = Number(text);
    const isInteger = /^-?[0-9]+$/.test(text) && text !== "-0" && Number.isSafeInteger(value);
    if (!isInteger) throw new Rejected("json_number_not_integer");
    return value;
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.at += found.length;
    return found;
  }

  private take(character: string): boolean {
    const isThere = this.text[this.at] === character;
    if (isThere) this.at += 1;
    return isThere;
  }

  private takeEmpty(end: string): boolean {
    this.match(SPACE);
    return this.take(end);
  }

  private fail(): never {
    throw new Rejected("json_malformed", `at character ${this.at + 1}`);
  }
}
