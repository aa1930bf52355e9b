/**
 * For work on the pages: builds them and serves them from `target/console`, and hands everything else on to a verifier.
 * `node dev.mjs http://localhost:8477 [PORT]`. The headers are the verifier's own, so what it forbids is forbidden here too.
 */
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const [verifier, port = "8478"] = process.argv.slice(2);
const out = new URL("../target/console/dev", import.meta.url).pathname;
const here = new URL(".", import.meta.url).pathname;
const TYPES = { js: "text/javascript", css: "text/css", svg: "image/svg+xml", html: "text/html; charset=utf-8", txt: "text/plain" };

const built = spawnSync(process.execPath, ["build.mjs", out], { cwd: here, stdio: "inherit" });
if (built.status !== 0) process.exit(1);

async function file(path) {
  const name = /\.(js|css|svg|txt)$/.test(path) ? path.slice("/console/".length) : "index.html";
  return { bytes: await readFile(`${out}/${name}.br`), type: TYPES[name.split(".").pop()] };
}

async function forwarded(request) {
  const headers = { ...request.headers };
  delete headers.host;
  delete headers.connection;
  const body = ["GET", "HEAD"].includes(request.method) ? undefined : request;
  return fetch(verifier + request.url, { method: request.method, headers, body, duplex: "half", redirect: "manual" });
}

/** Headers without those that tell how the bytes came here, and without the others that are named. */
function kept(headers, others = []) {
  const dropped = ["content-encoding", "content-length", "transfer-encoding", ...others];
  return Object.fromEntries([...headers].filter(([name]) => !dropped.includes(name)));
}

createServer(async (request, response) => {
  try {
    const path = new URL(request.url, verifier).pathname;
    if (path.startsWith("/console/")) {
      const [page, { bytes, type }] = await Promise.all([fetch(`${verifier}/console/`), file(path)]);
      response.writeHead(200, { ...kept(page.headers, ["etag", "cache-control"]), "content-type": type, "content-encoding": "br" }).end(bytes);
      return;
    }
    const answer = await forwarded(request);
    response.writeHead(answer.status, kept(answer.headers));
    for await (const piece of answer.body ?? []) response.write(piece);
    response.end();
  } catch (error) {
    if (!response.headersSent) response.writeHead(502);
    response.end(String(error));
  }
}).listen(Number(port), "127.0.0.1", () => console.log(`http://localhost:${port}/console/`));
