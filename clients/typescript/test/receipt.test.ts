/** The published vectors, good and bad: the same answer as the Rust crate's, code for code. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { InvalidValue, Jwks, JwksError, Receipt, Rejected, Validator, type Level } from "../src/receipt/index.js";

const VECTORS = new URL(process.env["POGW_VECTORS"] ? `file://${process.env["POGW_VECTORS"]}/` : "../../../../receipt/vectors/", import.meta.url);
const JWKS = readFileSync(new URL("jwks.json", VECTORS), "utf8");

interface Vector {
  readonly head: Readonly<Record<string, string>>;
  readonly body: string;
}

function vector(path: string): Vector {
  const file = readFileSync(new URL(`${path}.txt`, VECTORS), "utf8");
  const end = file.indexOf("\n\n");
  const lines = file.slice(0, end).split("\n");
  const head = lines.map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)] as const);
  return { head: Object.fromEntries(head), body: file.slice(end + 2).replace(/\n$/, "") };
}

function names(folder: string): string[] {
  const files = readdirSync(new URL(folder, VECTORS)).filter((name) => name.endsWith(".txt"));
  return files.map((name) => name.slice(0, -4)).sort();
}

async function answer({ head, body }: Vector): Promise<Receipt> {
  const { issuer = "", audience = "", minimum_level, job, nonce, now } = head;
  const validator = new Validator(await Jwks.parse(JWKS), {
    issuer,
    audience,
    minimumLevel: minimum_level as Level,
    dangerAcceptA0: minimum_level === "A0",
    ...(job !== undefined && { job }),
    ...(nonce !== undefined && { nonce }),
  });
  return validator.validate(body, Number(now));
}

async function code(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "ok";
  } catch (error) {
    assert.ok(error instanceof Rejected || error instanceof JwksError, String(error));
    return error.code;
  }
}

const TOKENS = names(".");
const KEY_SETS = names("key_sets/");

test("there are vectors", () => {
  assert.ok(TOKENS.length >= 100);
  assert.ok(KEY_SETS.length >= 20);
});

for (const name of TOKENS) {
  test(`vector ${name}`, async () => {
    const one = vector(name);
    assert.equal(await code(answer(one)), one.head["expect"], one.head["comment"]);
  });
}

for (const name of KEY_SETS) {
  test(`key set ${name}`, async () => {
    const { head, body } = vector(`key_sets/${name}`);
    assert.equal(await code(Jwks.parse(body)), head["expect"], head["comment"]);
  });
}

test("what is too large has no vector", async () => {
  const good = vector("good_es384");
  assert.equal(await code(answer({ ...good, body: good.body + "A".repeat(1 << 20) })), "token_too_large");
  assert.equal(await code(Jwks.parse(JWKS + " ".repeat(1 << 17))), "jwks_too_large");
});

test("large headers take no long time", async () => {
  const { head, body } = vector("good_es384");
  const [, payload, signature] = body.split(".");
  const texts = ['{"' + '\\"'.repeat(350_000), '{"a":' + "9".repeat(700_000), "[".repeat(700_000), '{"a":"' + "\\\\".repeat(350_000)];
  for (const text of texts) {
    const header = Buffer.from(text).toString("base64url");
    const started = Date.now();
    assert.match(await code(answer({ head, body: `${header}.${payload}.${signature}` })), /^json_/);
    assert.ok(Date.now() - started < 10_000);
  }
});

test("what a receipt says", async () => {
  const receipt = await answer(vector("good_es384"));
  assert.equal(receipt.id, "0f6c2d1e-5a53-4c0e-9a57-3c9d7a7d1c11");
  assert.equal(receipt.subject, "provider-17");
  assert.equal(receipt.level, "A2");
  assert.deepEqual([...receipt.results], ["freivalds"]);
  assert.equal(receipt.jobDigest, "0a".repeat(32));
  assert.deepEqual(receipt.outputs, [{ name: "c", len: 4_194_304, blake3: "0d".repeat(32) }]);
  assert.equal(receipt.finding("freivalds")?.log2_error, -124);
  assert.equal(receipt.finding("audit"), undefined);
  assert.equal(receipt.isSimulated, false);
  assert.equal(receipt.claims.submods["gpu0"]?.vendor["measres"], "success");
});

test("meets", async () => {
  const receipt = await answer(vector("good_es384"));
  assert.ok(receipt.meets("A2", ["freivalds"]));
  assert.ok(receipt.meets("A0"));
  assert.ok(!receipt.meets("A3"));
  assert.ok(!receipt.meets("A2", ["freivalds", "audit"]));
  assert.throws(() => receipt.meets("A4" as Level), InvalidValue);
});

test("a receipt cannot be made or changed", async () => {
  const receipt = await answer(vector("good_es384"));
  assert.throws(() => new Receipt(receipt.claims, receipt.kid, Symbol()), TypeError);
  assert.throws(() => ((receipt.claims.pogw.assurance as { level: Level }).level = "A3"), TypeError);
  assert.throws(() => ((receipt as { kid: string }).kid = ""), TypeError);
});

test("A0 takes a word of danger", async () => {
  const { head, body } = vector("good_simulated");
  const keys = await Jwks.parse(JWKS);
  const demands = { issuer: head["issuer"] ?? "", audience: head["audience"] ?? "" };
  const strict = new Validator(keys, { ...demands, minimumLevel: "A0" });
  assert.equal(await code(strict.validate(body, Number(head["now"]))), "assurance_level_too_low");
  const lax = new Validator(keys, { ...demands, dangerAcceptA0: true });
  assert.ok((await lax.validate(body, Number(head["now"]))).isSimulated);
});

test("demands no receipt could meet", async () => {
  const keys = await Jwks.parse(JWKS);
  for (const wrong of [{ job: "AB".repeat(32) }, { nonce: "AA" }, { issuer: "" }, { leewayS: -1 }]) {
    assert.throws(() => new Validator(keys, { issuer: "i", audience: "a", ...wrong }), InvalidValue);
  }
});

test("the leeway has a limit", async () => {
  const { head, body } = vector("exp_past");
  const demands = { issuer: head["issuer"] ?? "", audience: head["audience"] ?? "", leewayS: 10_000 };
  const validator = new Validator(await Jwks.parse(JWKS), demands);
  assert.equal(await code(validator.validate(body, Number(head["now"]))), "ok");
  assert.equal(await code(validator.validate(body, Number(head["now"]) + 540)), "expired");
});

test("the time is in seconds", async () => {
  const { head, body } = vector("good_es384");
  const demands = { issuer: head["issuer"] ?? "", audience: head["audience"] ?? "" };
  const validator = new Validator(await Jwks.parse(JWKS), demands);
  for (const now of [Number.NaN, -1, 1.5]) await assert.rejects(validator.validate(body, now), InvalidValue);
});
