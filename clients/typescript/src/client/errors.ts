/** Why the verifier did not do what it was asked. */

/** Any of the errors below. */
export abstract class ClientError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The verifier's answer is no (RFC 9457); `code` is its stable word for the reason. */
export class Problem extends ClientError {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    /** After an appraisal: each check that was refuted or could not be made. */
    readonly checks: readonly unknown[],
    /** When to ask again, in seconds, if the verifier says so. */
    readonly retryAfterS: number | undefined,
  ) {
    super(`HTTP ${status} ${code}: ${detail}`);
  }

  /** Whether the same request may succeed later. */
  get isPassing(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

/** The verifier cannot be reached, or what answers is none. */
export class Unavailable extends ClientError {}

/** The job failed or was cancelled; `job` says why. */
export class JobEnded extends ClientError {
  constructor(readonly job: Readonly<Record<string, unknown>>) {
    super(`job ${String(job["id"])} is ${String(job["status"])}: ${String(job["code"] ?? "no code")}`);
  }
}

/** The job has not ended in the time given. It goes on. */
export class TimeUp extends ClientError {}
