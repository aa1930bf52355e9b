/**
 * A small market on this machine, for the pages to show: a verifier, two providers with an agent each on a software device, a
 * tenant, a marketplace, and jobs that were settled, that failed and that are open. Everything is a process of its own, from
 * the folder of binaries that POGW_BIN_DIR names (`target/release` without it), and ends with the test.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const BINARIES = process.env.POGW_BIN_DIR ?? new URL("../../target/release", import.meta.url).pathname;
export const AUDIENCE = "https://market.example";
const PATIENCE_MS = 120_000;
const SCOPES = {
  tenant: ["jobs:read", "jobs:write", "books:read"],
  provider: ["agents:read", "agents:write", "books:read"],
  marketplace: ["jobs:read", "jobs:write", "books:read", "books:write"],
};

/** Starts everything and waits until there is something to see. */
export async function openMarket() {
  const folder = await mkdtemp(join(tmpdir(), "pogw-console-"));
  const market = new Market(folder, await freePort());
  try {
    await market.start();
  } catch (error) {
    await market.close();
    throw error;
  }
  return market;
}

class Market {
  #processes = [];
  constructor(folder, port) {
    this.folder = folder;
    this.port = port;
    this.url = `http://localhost:${port}`;
    this.issuer = this.url;
  }

  async start() {
    if (process.env.POGW_CONSOLE_DEV !== undefined) await this.#dev();
    for (const device of ["one", "two"]) this.#collateral(device);
    await this.#verifier();
    this.operator = (await readFile(join(this.folder, "state/operator-token"), "utf8")).trim();
    this.marketplace = await this.party("marketplace", "Market square");
    this.tenant = await this.party("tenant", "Acme Research");
    this.providers = [await this.party("provider", "North hall"), await this.party("provider", "South hall")];
    for (const party of [this.tenant, ...this.providers]) await this.#deposit(party);
    await this.#agent("one", this.providers[0]);
    await this.#agent("two", this.providers[1]);
    await Promise.all(this.providers.map((provider) => this.#present(provider)));
    await this.#work();
  }

  async close() {
    for (const process of this.#processes.reverse()) {
      process.kill("SIGKILL");
      await new Promise((resolve) => process.exitCode !== null || process.signalCode !== null ? resolve() : process.once("exit", resolve));
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A party and a key of it with all that its kind may do. */
  async party(kind, name) {
    const { id } = await this.ask("POST", "/v1/parties", this.operator, { kind, name });
    const { key } = await this.ask("POST", `/v1/parties/${id}/keys`, this.operator, { scopes: SCOPES[kind] });
    return { id, key, name };
  }

  async ask(method, path, key, body) {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const answer = await fetch(this.url + path, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  /** Offers a matrix product. */
  async job(size, count, changes = {}) {
    const spec = {
      profile: "pogw/1", kernel: "gemm_i8", checks: changes.checks ?? [], label: changes.label ?? "A product of two matrices",
      params: { m: size, n: size, k: size, operands: { seed: "5eed".repeat(16) } },
    };
    const terms = {
      replicas: { count, adaptive: false }, devices: { simulated: true }, price: { amount: 1200, currency: "EUR" }, stake: 2400,
      commit_within_s: 120, open_within_s: 60, dispute_window_s: 1, deadline_s: 3600, ...changes.terms,
    };
    return (await this.ask("POST", "/v1/jobs", this.tenant.key, { spec, terms })).id;
  }

  async until(job, ...statuses) {
    const begun = Date.now();
    for (;;) {
      const { status } = await this.ask("GET", `/v1/jobs/${job}`, this.tenant.key);
      if (statuses.includes(status)) return status;
      if (Date.now() - begun > PATIENCE_MS) throw new Error(`job ${job} is ${status}`);
      await sleep(200);
    }
  }

  async #work() {
    this.settled = await this.job(256, 2, { label: "Two replicas, audited", terms: { audit: { wrong_ppm: 50_000, log2_miss: -20 } } });
    const alone = await this.job(128, 1, { label: "One replica" });
    await this.until(this.settled, "settled", "failed");
    await this.until(alone, "settled", "failed");
    this.cancelled = await this.job(128, 8, { label: "Taken back" });
    await this.ask("POST", `/v1/jobs/${this.cancelled}/cancel`, this.tenant.key).catch(() => undefined);
    this.token = await this.#written(["freivalds"]);
    // Judged, and not what it says.
    const nonce = "00".repeat(32);
    await this.ask("POST", "/v1/verify", "", { nonce, devices: [{ report: "AAAA", chain: "AAAA" }] });
    const { receipts } = await this.ask("GET", `/v1/jobs/${this.settled}/receipts`, this.tenant.key);
    this.receipt = receipts[0];
  }

  /** Hands in a bundle by itself; its receipt. */
  async #written(checks) {
    const spec = {
      profile: "pogw/1", kernel: "gemm_i8", checks,
      params: { m: 256, n: 256, k: 256, operands: { seed: "5eed".repeat(16) } },
    };
    const file = join(this.folder, "job.json");
    await writeFile(file, JSON.stringify(spec));
    const report = this.#agentCommand(["run", "--job", file, "--verifier", this.url, "--format", "json", "--executor", "host",
      "--device", "simulated", "--device-dir", join(this.folder, "one"), "--state-dir", join(this.folder, "runner")]);
    return JSON.parse(report).receipt;
  }

  #collateral(device) {
    this.#agentCommand(["simulated-collateral", "--device-dir", join(this.folder, device), "--out", join(this.folder, "collateral")]);
  }

  #agentCommand(args) {
    const done = spawnSync(join(BINARIES, "attestation-agent"), args, { encoding: "utf8" });
    if (done.status !== 0) throw new Error(`attestation-agent ${args[0]}: ${done.stdout}${done.stderr}`);
    return done.stdout;
  }

  async #verifier() {
    const collateral = join(this.folder, "collateral");
    const config = join(this.folder, "verifier.toml");
    await writeFile(config, [
      `listen = "127.0.0.1:${this.port}"`, `issuer = "${this.issuer}"`, `audience = ["${AUDIENCE}", "tenant"]`,
      `state_dir = "${this.folder}/state"`, "receipt_lifetime_s = 31536000",
      "[appraisal]", `rim_dir = "${collateral}"`, `simulated_anchors = ["${collateral}/anchors.toml"]`,
      "[appraisal.ocsp]", `dir = "${collateral}/ocsp"`,
    ].join("\n"));
    this.#spawn("verifier-service", ["serve", "--config", config]);
    const begun = Date.now();
    while (!(await fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false))) {
      if (Date.now() - begun > PATIENCE_MS) throw new Error("the verifier does not start");
      await sleep(50);
    }
  }

  /** The pages as they are in the sources, before a verifier is built with them. */
  async #dev() {
    const port = await freePort();
    const verifier = `http://localhost:${this.port}`;
    this.#processes.push(spawn(process.execPath, [new URL("../dev.mjs", import.meta.url).pathname, verifier, `${port}`], { stdio: "inherit" }));
    this.url = `http://localhost:${port}`;
    this.issuer = this.url;
  }

  async #deposit(party) {
    const money = { amount: 10_000_000, currency: "EUR" };
    await this.ask("POST", "/v1/deposits", this.marketplace.key, { party: party.id, reference: `in-${party.id}`, money });
  }

  async #agent(device, provider) {
    const { token } = await this.ask("POST", "/v1/enrolment-tokens", provider.key, {});
    const path = (name) => join(this.folder, `${name}-${device}`);
    await writeFile(path("token"), token, { mode: 0o600 });
    await writeFile(path("config"), [
      `state_dir = "${path("agent")}"`, `verifier = "${this.url}"`, 'executor = "host"',
      "[device]", 'kind = "simulated"', `dir = "${join(this.folder, device)}"`,
      "[serve]", `token_file = "${path("token")}"`, "capacity = 4", "heartbeat_s = 1",
      "[retry]", "first_delay_ms = 50", "max_delay_ms = 500",
    ].join("\n"));
    this.#spawn("attestation-agent", ["serve", "--config", path("config")]);
  }

  async #present(provider) {
    const begun = Date.now();
    for (;;) {
      const { agents } = await this.ask("GET", "/v1/agents", provider.key);
      if (agents.some((agent) => agent.present)) return;
      if (Date.now() - begun > PATIENCE_MS) throw new Error("an agent does not come");
      await sleep(100);
    }
  }

  #spawn(program, args) {
    const stdio = ["ignore", "ignore", process.env.POGW_CONSOLE_LOGS === undefined ? "ignore" : "inherit"];
    this.#processes.push(spawn(join(BINARIES, program), args, { stdio }));
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
