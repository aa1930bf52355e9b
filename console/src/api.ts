/** The verifier's public interface (`verifier-service/README.md`), as far as these pages use it. */
import type { Document } from "./document.ts";
import { credential, signedIn, signOut, type Identity } from "./session.ts";

/** An answer that is no success: the members of a problem (RFC 9457), or what the network said. */
export class Failure extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

/** RFC 3339, as the interface writes it; seconds since 1970, as receipts do. */
export type Time = string | number;

export interface Service { issuer: string; audience: string[]; build: string; takes_simulated_devices: boolean; now: Time }
export interface JobSummary { id: string; digest: string; status: string; created_at: Time }
export interface Money { amount: number; currency: string }
export interface Terms {
  replicas?: { count: number }; price?: Money; stake?: number; audit?: { wrong_ppm: number; log2_miss: number }; deadline_s?: number;
}
export interface Replica { id: string; provider: string; status: string; code?: string }
export interface Job extends JobSummary {
  code?: string; spec: { kernel?: string; command?: unknown; label?: string }; terms: Terms;
  settle_at?: Time; ended_at?: Time; agreeing: number; assignments: Replica[];
}
export interface JobReceipt { id: string; assignment: string; receipt: string; issued_at: Time; revoked_at?: Time }
/** Whether a receipt holds still, which its token cannot say. */
export interface Standing { id: string; status: string; issued_at: Time; revoked_at?: Time }
export interface JobEvent { number: string; at: Time; kind: string; assignment?: string; provider?: string; code?: string }
export interface DeclaredDevice { architecture: string; assurance: string; simulated: boolean }
export interface Agent {
  id: string; agent_key: string; name?: string; enrolled_at: Time; seen_at?: Time; present: boolean;
  declared?: { devices: DeclaredDevice[]; executors: string[]; capacity: number };
}
export interface AppraisedDevice {
  id: string; kind: string; architecture: string; simulated: boolean; status: string;
  model?: string; driver?: string; firmware?: string; measurements?: string;
}
export interface Appraised { appraised_at?: Time; devices: AppraisedDevice[] }
export interface Manifest {
  role: string; id: string | null; status: string; valid_until: Time | null;
  reasons: { code: string; message: string }[]; source: string | null; sha256: string | null; simulated: boolean | null;
}
export interface Coverage { as_of: Time; covered: boolean; manifests: Manifest[] }
export interface Entry {
  number: number; at: Time; kind: string; job?: string; assignment?: string; reference?: string;
  currency: string; amount: number; balance: number;
}
export interface Statement { party: string; from: Time | null; to: Time; opening: Money[]; entries: Entry[]; closing: Money[] }
export interface Step { at: Time; verdicts: { of: string; verdict: string; count: number }[]; latency: number[] }
export interface Statistics { as_of: Time; step_s: number; latency_bounds_us: number[]; steps: Step[] }

export const service = () => json<Service>("/v1/service");
export const openapi = () => json<Document>("/openapi.json");
export const keySet = () => text("/.well-known/jwks.json", "application/jwk-set+json");
export const receipt = (id: string) => text(`/v1/receipts/${encodeURIComponent(id)}`, "application/eat+jwt");
export const standing = (id: string) => json<Standing>(`/v1/receipts/${encodeURIComponent(id)}`);
export const jobs = (cursor?: string) => json<{ jobs: JobSummary[]; next: string | null }>(paged("/v1/jobs", cursor));
export const job = (id: string) => json<Job>(`/v1/jobs/${encodeURIComponent(id)}`);
export const jobReceipts = (id: string) => json<{ receipts: JobReceipt[] }>(`/v1/jobs/${encodeURIComponent(id)}/receipts`);
export const agents = (cursor?: string) => json<{ agents: Agent[]; next: string | null }>(paged("/v1/agents", cursor));
export const appraised = (agent: string) => json<Appraised>(`/v1/agents/${encodeURIComponent(agent)}/devices`);
export const manifestIds = async () => (await json<{ ids: string[] }>("/v1/rim/ids")).ids;
export const coverage = (query: URLSearchParams) => json<Coverage>(`/v1/coverage?${query}`);
export const statistics = (stepS: number) => json<Statistics>(`/v1/statistics?step_s=${stepS}`);
export const statement = (provider: string, period: URLSearchParams) => json<Statement>(statementPath(provider, period));
export const statementCsv = (provider: string, period: URLSearchParams) => text(statementPath(provider, period), "text/csv");

/** Finds out whose credential it is, and keeps it if it is anybody's. */
export async function signIn(secret: string): Promise<void> {
  signedIn(await whose(secret), secret);
}

/** Takes up the credential that this tab has kept, after it was loaded anew. */
export async function resume(): Promise<void> {
  const kept = credential();
  if (kept === undefined) return;
  try {
    await signIn(kept);
  } catch (error) {
    if (error instanceof Failure && error.status === 401) signOut();
  }
}

/** The history of a job: what there is, and then what comes. Ends with the job. */
export async function* events(job: string, after: string, signal: AbortSignal): AsyncGenerator<JobEvent> {
  const headers: Record<string, string> = after === "" ? {} : { "last-event-id": after };
  const answer = await ask(`/v1/jobs/${encodeURIComponent(job)}/events`, "text/event-stream", { headers, signal });
  if (answer.body === null) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    pending += value;
    const blocks = pending.split(/\r?\n\r?\n/);
    pending = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = read(block);
      if (event !== undefined) yield event;
    }
  }
}

function read(block: string): JobEvent | undefined {
  const field = (name: string) =>
    block.split(/\r?\n/).filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, "")).join("\n");
  const data = field("data");
  return data === "" ? undefined : { kind: field("event"), ...JSON.parse(data), number: field("id") };
}

/** An API key says what it is by its beginning, a token of an OpenID issuer by its dots. What is neither can be the operator's. */
async function whose(secret: string): Promise<Identity> {
  if (secret.startsWith("pogw_") || secret.split(".").length === 3) return json<Identity>("/v1/parties/me", secret);
  await ask("/v1/statistics?step_s=3600", "application/json", {}, secret);
  return { kind: "operator", name: "Operator", id: undefined, scopes: [] };
}

function paged(path: string, cursor: string | undefined): string {
  return cursor === undefined ? path : `${path}?cursor=${encodeURIComponent(cursor)}`;
}

function statementPath(provider: string, period: URLSearchParams): string {
  const query = period.size === 0 ? "" : `?${period}`;
  return `/v1/providers/${encodeURIComponent(provider)}/statement${query}`;
}

async function json<T>(path: string, secret?: string): Promise<T> {
  return (await ask(path, "application/json", {}, secret)).json() as Promise<T>;
}

async function text(path: string, accept: string): Promise<string> {
  return (await ask(path, accept)).text();
}

async function ask(path: string, accept: string, init: RequestInit = {}, secret = credential()): Promise<Response> {
  const headers = new Headers(init.headers);
  headers.set("accept", accept);
  if (secret !== undefined) headers.set("authorization", `Bearer ${secret}`);
  const options: RequestInit = { ...init, headers, cache: "no-store", credentials: "omit", redirect: "error" };
  const answer = await fetch(path, options).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure(0, "unreachable", "The verifier does not answer.");
  });
  if (!answer.ok) throw await failure(answer);
  return answer;
}

async function failure(answer: Response): Promise<Failure> {
  const problem = await answer.json().catch(() => ({}));
  const said = problem.detail ?? problem.title ?? answer.statusText;
  return new Failure(answer.status, problem.code ?? "unknown", said);
}
