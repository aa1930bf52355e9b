/**
 * A verifier, as a tenant or a marketplace uses it: offer a job, wait for it, fetch its receipts. No dependencies, and
 * nothing of Node: `fetch` alone.
 *
 * In scope: requests, problems, events, patience. Out of scope: whether a receipt is good (`pogw/receipt`), running work
 * (the agent does).
 *
 * @module
 */

import { ClientError, JobEnded, TimeUp, Unavailable } from "./errors.js";
import { EventReader, type Event } from "./events.js";
import { Http, isPassing, sleep } from "./http.js";

export { ClientError, JobEnded, Problem, TimeUp, Unavailable } from "./errors.js";
export type { Event } from "./events.js";

/** Before the verifier is asked again; longer with each failure in a row. */
const PAUSE_MS = 300;
/** How many failures in a row are waited out: some minutes. */
const MOST_FAILURES = 20;
const READ_TIMEOUT_MS = 60_000;

/** An answer of the verifier, as it stands; its README says what is in it. */
export type Answer = Readonly<Record<string, unknown>>;

/** A receipt of a job. Nothing is said about the token before `pogw/receipt` has validated it. */
export interface ListedReceipt {
  readonly id: string;
  readonly assignment: string;
  readonly receipt: string;
  readonly issued_at: string;
}

export interface ClientOptions {
  readonly apiKey?: string;
  /** Waits before a request that is safe to repeat is repeated, in milliseconds: 500, 1000 and 2000 unless set. */
  readonly patienceMs?: readonly number[];
}

export interface WaitOptions {
  /** `accepted` unless set. */
  readonly until?: "accepted" | "settled";
  readonly timeoutS?: number;
  /** Is told each event on the way. */
  readonly onEvent?: (event: Event) => void;
  /**
   * Looks that often and needs no stream, which a proxy may hold back; then there is no progress to tell.
   */
  readonly pollS?: number;
}

/** The API key goes over TLS alone, except to this machine. Every call may fail with a {@link ClientError}. */
export class Client {
  readonly #http: Http;

  constructor(url: string, { apiKey, patienceMs }: ClientOptions = {}) {
    this.#http = new Http(url, apiKey, patienceMs);
  }

  /**
   * A challenge for an agent that will run a job on its own account: `id`, `challenge`, `expires_at`. `job` is the
   * SHA-256 of the canonical job in hexadecimal, `agent_key` 32 bytes in base64url.
   */
  createChallenge(wanted: { job: string; agent_key: string; audience?: string }): Promise<Answer> {
    return this.#http.json({ method: "POST", path: "v1/challenges", body: wanted });
  }

  /** Offers a job; the price of all replicas goes into escrow. One key makes one job, however often it is sent. */
  createJob(job: { spec: unknown; terms: unknown }, idempotencyKey?: string): Promise<Answer> {
    const headers = { "idempotency-key": idempotencyKey ?? crypto.randomUUID() };
    return this.#http.json({ method: "POST", path: "v1/jobs", body: job, headers });
  }

  /** A job as it stands. */
  async job(job: string): Promise<Answer> {
    return this.#http.json({ method: "GET", path: `v1/jobs/${named(job)}` });
  }

  /** Cancels a job, while nobody has committed to a result. */
  async cancel(job: string): Promise<Answer> {
    return this.#http.json({ method: "POST", path: `v1/jobs/${named(job)}/cancel`, body: {} });
  }

  /** The history of a job as it is made, after the event of this id. It ends with the job; where it breaks, it fails. */
  async *events(job: string, after?: string, silenceMs = READ_TIMEOUT_MS): AsyncGenerator<Event, void, undefined> {
    const pieces = this.#http.open({
      method: "GET",
      path: `v1/jobs/${named(job)}/events`,
      accept: "text/event-stream",
      headers: after === undefined ? {} : { "last-event-id": after },
      timeoutMs: silenceMs,
    });
    const [decoder, reader] = [new TextDecoder(), new EventReader()];
    for await (const piece of pieces) yield* reader.push(decoder.decode(piece, { stream: true }));
  }

  /**
   * The job once its result is accepted, or `settled`. Events say when to look; what is so, the job itself says. A
   * verifier that is away for a while is waited out. Fails with {@link JobEnded} if the job failed or was cancelled,
   * and with {@link TimeUp}.
   */
  async wait(job: string, options: WaitOptions = {}): Promise<Answer> {
    const waiting = new Waiting(this, named(job), options);
    return options.pollS === undefined ? waiting.listening() : waiting.polling(options.pollS * 1000);
  }

  /** The receipts of a job that count. One that the verifier has revoked is left out. */
  async receipts(job: string): Promise<readonly ListedReceipt[]> {
    const { receipts } = await this.#http.json({ method: "GET", path: `v1/jobs/${named(job)}/receipts` });
    if (!Array.isArray(receipts)) throw new Unavailable("the answer lists no receipts");
    return (receipts as (ListedReceipt & { revoked_at?: string | null })[]).filter((one) => one.revoked_at == null);
  }

  /**
   * What the verifier says now of a receipt, which its token cannot: pay for one that `holds`. `provisional` is one whose
   * job is not over and may find the work wrong yet; `revoked`, one whose job did.
   */
  async standing(receipt: string): Promise<string> {
    const { status } = await this.#http.json({ method: "GET", path: `v1/receipts/${named(receipt)}` });
    if (typeof status !== "string") throw new Unavailable("the answer does not say whether the receipt holds");
    return status;
  }

  /** A receipt by its name, as a token. */
  async receipt(receipt: string): Promise<string> {
    return this.#http.text({ method: "GET", path: `v1/receipts/${named(receipt)}`, accept: "application/eat+jwt" });
  }

  /** The published keys, for `Jwks.parse`. Fetch them from the issuer you chose; keep them. */
  keySet(): Promise<string> {
    return this.#http.text({ method: "GET", path: ".well-known/jwks.json", accept: "application/json" });
  }
}

/** One wait for one job. */
class Waiting {
  readonly #client: Client;
  readonly #job: string;
  readonly #ends: readonly unknown[];
  readonly #deadline: number;
  readonly #onEvent: (event: Event) => void;
  #failures = 0;

  constructor(client: Client, job: string, { until, timeoutS, onEvent }: WaitOptions) {
    this.#client = client;
    this.#job = job;
    this.#ends = until === "settled" ? ["settled"] : ["accepted", "settled"];
    this.#deadline = timeoutS === undefined ? Infinity : Date.now() + timeoutS * 1000;
    this.#onEvent = onEvent ?? (() => undefined);
  }

  async polling(pollMs: number): Promise<Answer> {
    for (;;) {
      const job = await this.#look();
      if (job !== undefined) return job;
      await sleep(this.#timeLeft(Math.max(pollMs, PAUSE_MS)));
    }
  }

  async listening(): Promise<Answer> {
    let after: string | undefined;
    for (;;) {
      const job = await this.#look();
      if (job !== undefined) return job;
      try {
        for await (const event of this.#client.events(this.#job, after, this.#timeLeft(READ_TIMEOUT_MS))) {
          this.#failures = 0;
          after = event.id ?? after;
          this.#onEvent(event);
          const now = await this.#look();
          if (now !== undefined) return now;
          this.#timeLeft(READ_TIMEOUT_MS);
        }
      } catch (error) {
        this.#bear(error);
      }
      await sleep(this.#timeLeft(PAUSE_MS * (this.#failures + 1)));
    }
  }

  /** The job, if it is where it should be. */
  async #look(): Promise<Answer | undefined> {
    let job: Answer;
    try {
      job = await this.#client.job(this.#job);
    } catch (error) {
      this.#bear(error);
      return undefined;
    }
    if (job["status"] === "failed" || job["status"] === "cancelled") throw new JobEnded(job);
    return this.#ends.includes(job["status"]) ? job : undefined;
  }

  /** A verifier that is away is no reason to end a long wait; one that says no is. */
  #bear(error: unknown): void {
    this.#failures += 1;
    if (!isPassing(error) || this.#failures > MOST_FAILURES) throw error;
  }

  #timeLeft(mostMs: number): number {
    const left = this.#deadline - Date.now();
    if (left <= 0) throw new TimeUp("the job has not ended in the time given");
    return Math.min(mostMs, left);
  }
}

/** Names stand in paths. */
function named(text: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text)) throw new TypeError(`expected 1 to 64 of A-Z a-z 0-9 _ -, got ${text}`);
  return text;
}
