/** Why a token or a key set cannot be used. Codes are the words of the Rust crate `receipt`. */

const MAX_EXCERPT = 64;

abstract class Coded extends Error {
  /** The stable snake_case word for the reason. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** The first reason why a token is not a receipt the caller can rely on. */
export class Rejected extends Coded {}

/** Why a key set cannot be used. */
export class JwksError extends Coded {}

/** Why bytes are not JSON of the profile. */
export class JsonFault extends Coded {}

/** A value that does not obey the rule of its type: a demand no receipt could meet, or a malformed claim. */
export class InvalidValue extends Error {
  override readonly name = "InvalidValue";

  static of(what: string, expected: string, actual: unknown): InvalidValue {
    return new InvalidValue(`${what} must be ${expected}, got ${excerpt(actual)}`);
  }
}

/** The beginning of foreign text, made safe to print. */
export function excerpt(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
  const shown = text.slice(0, MAX_EXCERPT).replace(/[^ -~]/g, "\ufffd");
  return text.length > MAX_EXCERPT ? `${shown}…` : shown;
}
