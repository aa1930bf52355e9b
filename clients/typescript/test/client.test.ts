/** The client against a verifier of the test's own, which says what a real one would and breaks as one might. */

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, test } from "node:test";

import { Client, JobEnded, Problem, TimeUp, Unavailable, type Event } from "../src/client/index.js";
import { EventReader } from "../src/client/events.js";

interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

let server: Server;
let url: string;
let asked: Asked[];
let status: string;
let failures: number;
let histories: number[][];
let then: string | undefined;

beforeEach(async () => {
  [asked, status, failures, histories, then] = [[], "open", 0, [], undefined];
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString()));
    request.on("end", () => answer({ path: request.url ?? "", headers: request.headers, body }, response));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function answer(request: Asked, response: ServerResponse): void {
  asked.push(request);
  const say = (code: number, said: unknown, headers = {}): void => {
    response.writeHead(code, headers).end(JSON.stringify(said));
  };
  if (failures > 0) {
    failures -= 1;
    return say(503, { code: "store_unavailable", detail: "locked" }, { "retry-after": "2" });
  }
  switch (request.path) {
    case "/v1/jobs":
    case "/v1/challenges":
    case "/v1/jobs/j1":
      return say(200, { id: "j1", status, code: "unverifiable" });
    case "/v1/jobs/j1/events":
      for (const id of histories.shift() ?? []) {
        response.write(`: still here\nid: ${id}\nevent: job_${id}\ndata: {}\n\n`);
      }
      if (histories.length === 0 && then !== undefined) status = then;
      return void response.end();
    case "/v1/jobs/silent/events":
      return void response.write(": nothing follows\n\n");
    case "/v1/jobs/silent":
      return say(200, { id: "silent", status });
    case "/v1/jobs/j1/receipts":
      return say(200, { receipts: [{ id: "r1" }, { id: "r2", revoked_at: "2026" }] });
    case "/v1/receipts/r1":
      return say(200, { id: "r1", receipt: "a.b.c", status: "provisional" });
    case "/v1/receipts/r2":
      return say(200, { id: "r2" });
    case "/v1/jobs/elsewhere":
      return say(302, {}, { location: "https://evil.example/" });
    default:
      return say(404, { code: "job_not_found", detail: "no such job", checks: [{ id: "chain" }] });
  }
}

const client = (apiKey?: string): Client =>
  new Client(url, { patienceMs: [5, 5, 5], ...(apiKey !== undefined && { apiKey }) });

test("a job is offered once", async () => {
  failures = 2;
  const job = await client("secret").createJob({ spec: { profile: "pogw/1" }, terms: { stake: 1 } });
  assert.equal(job["id"], "j1");
  assert.equal(asked.length, 3);
  assert.equal(new Set(asked.map(({ headers }) => headers["idempotency-key"])).size, 1);
  assert.equal(asked[0]?.headers.authorization, "Bearer secret");
  assert.deepEqual(JSON.parse(asked[0]?.body ?? ""), { spec: { profile: "pogw/1" }, terms: { stake: 1 } });
});

test("what is not safe to repeat is not repeated", async () => {
  failures = 1;
  await assert.rejects(client().createChallenge({ job: "ab".repeat(32), agent_key: "key" }), (error) => {
    assert.ok(error instanceof Problem && error.isPassing);
    assert.equal(error.retryAfterS, 2);
    return true;
  });
  assert.equal(asked.length, 1);
  assert.equal(asked[0]?.headers.authorization, undefined);
});

test("waiting tells progress and takes up a broken stream", async () => {
  histories = [[1, 2], [3]];
  then = "accepted";
  const seen: Event[] = [];
  const job = await client().wait("j1", { onEvent: (event) => seen.push(event) });
  assert.equal(job["status"], "accepted");
  assert.deepEqual(seen.map((event) => event.name), ["job_1", "job_2", "job_3"]);
  const streams = asked.filter(({ path }) => path.endsWith("/events"));
  assert.deepEqual(streams.map(({ headers }) => headers["last-event-id"]), [undefined, "2"]);
});

test("a job that failed is no result", async () => {
  status = "failed";
  for (const options of [{}, { pollS: 0.01 }]) {
    await assert.rejects(client().wait("j1", options), (error) => error instanceof JobEnded && error.job["code"] === "unverifiable");
  }
});

test("accepted is not settled", async () => {
  status = "accepted";
  await assert.rejects(client().wait("j1", { until: "settled", timeoutS: 0.2, pollS: 0.05 }), TimeUp);
  status = "settled";
  assert.equal((await client().wait("j1", { until: "settled" }))["status"], "settled");
});

test("a wait ends in time, whatever the stream does", async () => {
  const started = Date.now();
  await assert.rejects(client().wait("silent", { timeoutS: 0.5 }), TimeUp);
  assert.ok(Date.now() - started < 5000);
});

test("a verifier that is away is waited out", async () => {
  [status, failures] = ["accepted", 6];
  assert.equal((await client().wait("j1", { timeoutS: 30 }))["status"], "accepted");
});

test("a no is final", async () => {
  for (const options of [{}, { pollS: 0.01 }]) {
    await assert.rejects(client().wait("unknown", options), (error) => {
      assert.ok(error instanceof Problem);
      assert.deepEqual([error.status, error.code, error.checks], [404, "job_not_found", [{ id: "chain" }]]);
      return true;
    });
  }
});

test("revoked receipts are left out", async () => {
  assert.deepEqual((await client().receipts("j1")).map(({ id }) => id), ["r1"]);
});

test("how a receipt stands is asked", async () => {
  assert.equal(await client().standing("r1"), "provisional");
  await assert.rejects(client().standing("r2"), Unavailable);
});

test("the key goes nowhere else", async () => {
  for (const wrong of ["http://verifier.example", "ftp://127.0.0.1", "verifier.example"]) {
    assert.throws(() => new Client(wrong, { apiKey: "secret" }), TypeError);
  }
  await assert.rejects(client("secret").job("elsewhere"), (error) => error instanceof Problem && error.status === 302);
});

test("nobody there", async () => {
  const nobody = new Client("http://127.0.0.1:1");
  await assert.rejects(nobody.createChallenge({ job: "ab".repeat(32), agent_key: "key" }), Unavailable);
});

test("names stand in paths", async () => {
  for (const name of ["", "../parties", "a/b", "a".repeat(65), "a\n"]) {
    await assert.rejects(client().job(name), TypeError);
  }
  assert.equal(asked.length, 0);
});

test("events are read as they are written, whatever the pieces", () => {
  const text =
    "retry: 1\n: comment\nid: 7\nevent: a\ndata:x\ndata: y\r\n\nevent: no data\n\nid: a\0b\ndata: z\n\ndata: cut off";
  const expected = [
    { id: "7", name: "a", data: "x\ny" },
    { id: "7", name: "", data: "z" },
  ];
  for (const size of [1, 2, 7, 1000]) {
    const reader = new EventReader();
    const events: Event[] = [];
    for (let at = 0; at < text.length; at += size) events.push(...reader.push(text.slice(at, at + size)));
    assert.deepEqual(events, expected);
  }
  assert.throws(() => new EventReader().push("data: " + "x".repeat(1 << 17)), Unavailable);
});
