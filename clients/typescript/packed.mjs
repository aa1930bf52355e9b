/** Reads `npm pack --dry-run --json`: the package has its code, its types, its README, and nothing else. */

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";

const said = await text(process.stdin);
const [{ files, size }] = JSON.parse(said.slice(said.indexOf("[")));
const names = files.map(({ path }) => path);
for (const name of ["package.json", "README.md", "dist/receipt/index.js", "dist/receipt/index.d.ts", "dist/client/index.js"]) {
  assert.ok(names.includes(name), `${name} is missing`);
}
const stray = names.filter((name) => !/^(dist\/(receipt|client)\/[a-z0-9]+(\.d\.ts|\.js)|package\.json|README\.md|LICENSE)$/.test(name));
assert.deepEqual(stray, []);
console.log(`${names.length} files, ${size} bytes packed`);
