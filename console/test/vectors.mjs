/** Runs the published vectors of the crate `receipt` through the console's own validation, under Node's WebCrypto. */
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import assert from "node:assert/strict";
import { build } from "esbuild";

const vectors = new URL("../../receipt/vectors/", import.meta.url);

async function loaded() {
  const stdin = {
    contents: 'export { validate } from "./receipt/validate.ts"; export { readKeys } from "./receipt/keys.ts";',
    resolveDir: new URL("../src", import.meta.url).pathname,
  };
  const { outputFiles } = await build({ stdin, bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

function read(text) {
  const end = text.indexOf("\n\n");
  const fields = Object.fromEntries(text.slice(0, end).split("\n").map((line) => {
    const colon = line.indexOf(": ");
    return [line.slice(0, colon), line.slice(colon + 2)];
  }));
  return { ...fields, token: text.slice(end + 2).replace(/\n$/, "") };
}

const { validate, readKeys } = await loaded();
const keys = await readKeys(await readFile(new URL("jwks.json", vectors), "utf8"));
const files = (await readdir(vectors)).filter((name) => name.endsWith(".txt"));

test("there are vectors", () => assert.ok(files.length > 90, `${files.length}`));

for (const file of files) {
  test(file, async () => {
    const vector = read(await readFile(new URL(file, vectors), "utf8"));
    const expected = {
      issuer: vector.issuer,
      audience: vector.audience,
      minimumLevel: vector.minimum_level,
      job: vector.job,
      nonce: vector.nonce,
    };
    const outcome = await validate(vector.token, keys, expected, Number(vector.now));
    assert.equal(outcome.code ?? (outcome.verdict === "valid" ? "ok" : outcome.detail), vector.expect);
  });
}
