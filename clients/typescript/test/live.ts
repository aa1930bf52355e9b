/** What a tenant's program does, against a real verifier: `live.js '{"url", "issuer", "audience", "spec", "terms"}'`. */

import assert from "node:assert/strict";

import { Client, type Event } from "../src/client/index.js";
import { Jwks, Rejected, Validator } from "../src/receipt/index.js";

const told = JSON.parse(process.argv[2] ?? "") as Record<"url" | "issuer" | "audience" | "spec" | "terms", string>;
const { url, issuer, audience, spec, terms } = told;

const client = new Client(url, { apiKey: process.env["POGW_API_KEY"] ?? "" });
const made = await client.createJob({ spec, terms });
const [job, digest] = [String(made["id"]), String(made["digest"])];
const seen: Event[] = [];
await client.wait(job, { timeoutS: 120, onEvent: (event) => seen.push(event) });

const keys = await Jwks.parse(await client.keySet());
const [listed, ...others] = await client.receipts(job);
assert.ok(listed !== undefined && others.length === 0);
const token = await client.receipt(listed.id);
assert.equal(token, listed.receipt);

const now = Math.floor(Date.now() / 1000);
const demands = { issuer, audience, job: digest };
const receipt = await new Validator(keys, { ...demands, dangerAcceptA0: true }).validate(token, now);
assert.equal(receipt.id, listed.id);
assert.ok(receipt.isSimulated && receipt.meets("A0", ["audit"]) && !receipt.meets("A1"));
await assert.rejects(new Validator(keys, demands).validate(token, now), (error) => {
  return error instanceof Rejected && error.code === "assurance_level_too_low";
});
assert.equal((await client.wait(job, { until: "settled", timeoutS: 60, pollS: 0.5 }))["status"], "settled");

const history: string[] = [];
for await (const { name } of client.events(job)) history.push(name);
const ends = ["job_created", "openings_asked", "job_accepted", "job_settled"];
assert.deepEqual(history.filter((name) => ends.includes(name)), ends);
// The last events may come after the job was seen to be accepted.
assert.deepEqual(seen.map(({ name }) => name), history.slice(0, seen.length));
