/** Requests to a verifier: the address, the API key, problems, patience with a service that is away for a moment. */

import { ClientError, Problem, Unavailable } from "./errors.js";

/** Longest answer, in bytes. The receipts of a job are some kilobytes each. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** Longest wait for an answer to begin, and longest silence within one. A stream of events is never silent for so long. */
const READ_TIMEOUT_MS = 60_000;
/** Waits before a request that is safe to repeat is repeated. */
const PATIENCE_MS: readonly number[] = [500, 1000, 2000];

const LOOPBACK: readonly string[] = ["127.0.0.1", "[::1]", "localhost"];

export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly accept: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export class Http {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #patienceMs: readonly number[];

  constructor(url: string, apiKey: string | undefined, patienceMs = PATIENCE_MS) {
    const { protocol, hostname } = new URL(url);
    if (protocol !== "https:" && !(protocol === "http:" && LOOPBACK.includes(hostname))) {
      throw new TypeError(`expected https, or http to this machine, got ${url}`);
    }
    this.#base = url.replace(/\/+$/, "");
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    this.#patienceMs = patienceMs;
  }

  /** The object that an answer is. */
  async json(call: Omit<Call, "accept">): Promise<Record<string, unknown>> {
    const text = await this.text({ ...call, accept: "application/json" });
    let answer: unknown;
    try {
      answer = JSON.parse(text);
    } catch (error) {
      throw new Unavailable("the answer is not JSON", { cause: error });
    }
    if (typeof answer !== "object" || answer === null || Array.isArray(answer)) {
      throw new Unavailable("the answer is not an object");
    }
    return answer as Record<string, unknown>;
  }

  /** The text of an answer. What is not done twice by sending it twice is sent again where it fails in passing. */
  async text(call: Call): Promise<string> {
    const repeatable = call.method === "GET" || call.headers?.["idempotency-key"] !== undefined;
    for (const waitMs of repeatable ? this.#patienceMs : []) {
      try {
        return await this.#once(call);
      } catch (error) {
        if (!isPassing(error)) throw error;
        await sleep(waitMs);
      }
    }
    return this.#once(call);
  }

  /** The pieces of an answer, as they come. */
  async *open(call: Call): AsyncGenerator<Uint8Array, void, undefined> {
    const silence = new Silence(call.timeoutMs ?? READ_TIMEOUT_MS);
    try {
      const answer = await this.#send(call, silence.signal);
      const reader = answer.body?.getReader();
      for (;;) {
        const piece = await reader?.read();
        if (piece?.value === undefined) return;
        silence.isBroken();
        yield piece.value;
      }
    } catch (error) {
      if (error instanceof ClientError) throw error;
      throw new Unavailable(`the verifier cannot be asked: ${String(error)}`, { cause: error });
    } finally {
      silence.end();
    }
  }

  async #once(call: Call): Promise<string> {
    const decoder = new TextDecoder();
    let [text, size] = ["", 0];
    for await (const piece of this.open(call)) {
      size += piece.length;
      if (size > MAX_ANSWER_BYTES) throw new Unavailable(`expected at most ${MAX_ANSWER_BYTES} bytes`);
      text += decoder.decode(piece, { stream: true });
    }
    return text + decoder.decode();
  }

  async #send(call: Call, signal: AbortSignal): Promise<Response> {
    const body = call.body === undefined ? {} : { body: JSON.stringify(call.body) };
    const answer = await fetch(`${this.#base}/${call.path}`, {
      method: call.method,
      headers: {
        ...this.#headers,
        ...call.headers,
        ...(call.body !== undefined && { "content-type": "application/json" }),
        accept: call.accept,
      },
      ...body,
      // The API key goes to the address it was given for, and nowhere else.
      redirect: "manual",
      signal,
    });
    if (!answer.ok) throw await problem(answer);
    return answer;
  }
}

/** Ends a request that has been silent for too long, or that nobody reads any more. */
class Silence {
  readonly #controller = new AbortController();
  readonly #limitMs: number;
  #timer: ReturnType<typeof setTimeout>;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  isBroken(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }

  #start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#controller.abort(new Error("silent for too long")), this.#limitMs);
  }
}

async function problem(answer: Response): Promise<Problem> {
  const said: unknown = await answer.json().catch(() => undefined);
  const members = new Map(typeof said === "object" && said !== null ? Object.entries(said as object) : []);
  const text = (name: string): string | undefined => {
    const value: unknown = members.get(name);
    return typeof value === "string" ? value : undefined;
  };
  const checks: unknown = members.get("checks");
  const retry = answer.headers.get("retry-after");
  return new Problem(
    answer.status,
    text("code") ?? "no_reason_given",
    text("detail") ?? text("title") ?? "",
    Array.isArray(checks) ? (checks as unknown[]) : [],
    retry !== null && /^[0-9]+$/.test(retry) ? Number(retry) : undefined,
  );
}

/** Whether what failed may succeed later. */
export function isPassing(error: unknown): boolean {
  return error instanceof Unavailable || (error instanceof Problem && error.isPassing);
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
