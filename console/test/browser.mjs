/**
 * The pages in headless Chromium, from a verifier of their own: what they show, to whom, in both colour schemes, on a desk and on
 * a phone, by keyboard alone, and that nothing leaves the verifier's origin. Screenshots are left in the folder that
 * POGW_SCREENSHOTS names.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import puppeteer from "puppeteer-core";
import { AUDIENCE, openMarket } from "./market.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const CHROMIUM = process.env.POGW_CHROMIUM ?? "/usr/bin/chromium";
const SCREENSHOTS = process.env.POGW_SCREENSHOTS;
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844, isMobile: true, hasTouch: true };
const FIRST_PAGE_BYTES = 150 * 1024;
/** When the published vectors count. */
const VECTORS_NOW = 1_795_420_800;

let market;
let browser;

before(async () => {
  if (SCREENSHOTS !== undefined) await mkdir(SCREENSHOTS, { recursive: true });
  market = await openMarket();
  browser = await puppeteer.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
});

after(async () => {
  await browser?.close();
  await market?.close();
});

/** A page that notes what must not happen; `use` is told the page, and afterwards nothing must have been noted. */
async function visit(path, use, { viewport = DESK, dark = false, key, prepare } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const faults = [];
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${market.url}/`) && !/^(data|blob):/.test(url)) faults.push(`request to ${url}`);
    if (key !== undefined && url.includes(key)) faults.push(`credential in ${url}`);
  });
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type()) && !message.text().includes("status of 404")) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`exception: ${error}`));
  await page.evaluateOnNewDocument(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.setViewport(viewport);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }, { name: "prefers-reduced-motion", value: "reduce" }]);
  if (key !== undefined) await page.evaluateOnNewDocument((key) => sessionStorage.setItem("pogw-credential", key), key);
  await prepare?.(page);
  await page.goto(market.url + path, { waitUntil: "load" });
  try {
    const result = await use(page, context);
    faults.push(...(await page.evaluate(() => globalThis.violations)));
    assert.deepEqual(faults, []);
    return result;
  } finally {
    await context.close();
  }
}

const shown = (page, text) => page.waitForFunction((text) => document.body.innerText.includes(text), { timeout: 20_000 }, text);

async function sees(page, ...texts) {
  for (const text of texts) await shown(page, text).catch(async () => {
    assert.fail(`${text} is not in: ${await page.evaluate(() => document.body.innerText)}`);
  });
}

/** Pastes a token as a person does; the verdict that comes. */
async function verdictOn(page, token) {
  await page.focus("textarea");
  await page.evaluate((token) => {
    const data = new DataTransfer();
    data.setData("text", token);
    document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, token);
  await page.waitForSelector(".verdict h2");
  return page.$eval(".verdict", (verdict) => ({ title: verdict.querySelector("h2").textContent, code: verdict.querySelector(".codes code")?.textContent, tone: verdict.className }));
}

async function typed(page, token) {
  await page.$eval("textarea", (field, token) => {
    field.value = token;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }, token);
  await page.click("button.primary");
  await page.waitForSelector(".verdict h2");
  return page.$eval(".verdict", (verdict) => ({ title: verdict.querySelector("h2").textContent, code: verdict.querySelector(".codes code")?.textContent, tone: verdict.className }));
}

function withPayload(token, change) {
  const [header, payload, signature] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url"));
  change(claims);
  return [header, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
}

const at = (seconds) => (page) => page.evaluateOnNewDocument((now) => { Date.now = () => now; }, seconds * 1000);

/** Plays the verifier that the published vectors are of; how a receipt stands it does not know, or it is handed in. */
async function asVectors(page, standing, now = VECTORS_NOW) {
  await at(now)(page);
  const keys = await readFile(new URL("../../receipt/vectors/jwks.json", import.meta.url), "utf8");
  const service = { issuer: "https://verifier.example", audience: ["https://market.example"], build: "pogw 0.1.0", takes_simulated_devices: false, now: "2026-11-23T08:00:00Z" };
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const path = new URL(request.url()).pathname;
    if (path === "/.well-known/jwks.json") return request.respond({ contentType: "application/jwk-set+json", body: keys });
    if (path === "/v1/service") return request.respond({ contentType: "application/json", body: JSON.stringify(service) });
    if (standing !== undefined && path.startsWith("/v1/receipts/")) {
      const told = { id: path.split("/").at(-1), issued_at: service.now, ...standing };
      return request.respond({ contentType: "application/json", body: JSON.stringify(told) });
    }
    return request.continue();
  });
}

async function vector(name) {
  return (await vectorFile(name)).split("\n\n")[1].trim();
}

const vectorNow = async (name) => Number(/^now: (\d+)$/m.exec(await vectorFile(name))[1]);
const vectorFile = (name) => readFile(new URL(`../../receipt/vectors/${name}.txt`, import.meta.url), "utf8");

test("the first page is small, and its answers say what it may do", async () => {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const network = await page.createCDPSession();
  await network.send("Network.enable");
  let bytes = 0;
  network.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  const answer = await page.goto(`${market.url}/`, { waitUntil: "networkidle0" });
  assert.equal(page.url(), `${market.url}/console/`);
  assert.ok(bytes > 5000 && bytes < FIRST_PAGE_BYTES, `${bytes} bytes`);
  console.log(`first page: ${bytes} bytes`);
  const headers = answer.headers();
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) {
    assert.ok(headers["content-security-policy"].includes(part), part);
  }
  assert.equal(headers["x-content-type-options"], "nosniff");
  assert.equal(headers["referrer-policy"], "no-referrer");
  await context.close();
});

const CASES = [
  ["a receipt of a software device", (token) => token, /Simulated/, "assurance_level_too_low"],
  ["a signature that was cut off", (token) => token.slice(0, token.lastIndexOf(".") + 1), /not valid/, "signature_invalid"],
  ["a claim that was changed, and its signature kept", (token) => withPayload(token, (claims) => { claims.pogw.devices[0].simulated = false; }), /not valid/, "signature_invalid"],
  ["the signature of another token", (token) => token.replace(/.{86}$/, "A".repeat(86)), /not valid/, "signature_invalid"],
  ["a key that nobody publishes", () => vector("good_es384"), /not valid/, "key_unknown"],
  ["an algorithm none", () => vector("alg_none"), /not valid/, undefined],
  ["two parts", (token) => token.split(".").slice(0, 2).join("."), /not valid/, "token_parts"],
];
for (const [name, change, title, code] of CASES) {
  test(`${name} is shown as such`, () => visit("/console/", async (page) => {
    const verdict = await typed(page, await change(market.token));
    assert.match(verdict.title, title);
    if (code !== undefined) assert.equal(verdict.code, code);
    assert.ok(!verdict.tone.includes("good"), verdict.tone);
    const isSigned = code === "assurance_level_too_low";
    assert.equal(await page.$("#checks") !== null, isSigned, "claims are shown of what the issuer signed, and of nothing else");
    assert.equal(await page.$(".chain") !== null, isSigned, "nor is anything drawn");
  }));
}

const MARKET = "https://market.example";
const WHO_IS_OPEN = `Whether it is for you was not checked, as you did not say who you are. It names ${MARKET}.`;
const REVOKED = { status: "revoked", revoked_at: "2026-11-23T08:00:00Z" };

/** A receipt, what the verifier says of it, who the reader is; then the verdict, the end of its chain of trust, and what else is seen. */
const ENDS = [
  ["that holds, for its reader", "good_es384", { status: "holds" }, MARKET, "This receipt is valid", "Holds: checked in this browser", []],
  ["whose reader does not say who they are", "good_es384", { status: "holds" }, undefined,
    "This receipt is valid", "Not proven: whether it is for you was not checked", [WHO_IS_OPEN]],
  ["for somebody else", "good_es384", { status: "holds" }, "https://elsewhere.example",
    "This receipt is not valid", "Broken: rejected (audience mismatch), as it is meant for somebody else", [`Expected https://elsewhere.example, got ${MARKET}.`]],
  ["that expired", "exp_past", { status: "holds" }, MARKET, "This receipt is not valid", "Broken: rejected (expired), as it has expired", []],
  ["of another issuer", "iss_other", { status: "holds" }, MARKET,
    "This receipt is not valid", "Broken: rejected (issuer mismatch), as it names another issuer than this verifier", []],
  ["that breaks a rule", "level_a2_without_commitment", { status: "holds" }, MARKET,
    "This receipt is not valid", "Broken: rejected (assurance level unsupported), as it breaks a rule that every receipt has to obey", []],
  ["that was revoked", "good_es384", REVOKED, MARKET,
    "This receipt was revoked", "Broken: revoked, as the job found the work wrong", ["Pay nothing for it."]],
  ["that was revoked and expired", "exp_past", REVOKED, undefined,
    "This receipt was revoked", "Broken: revoked, as the job found the work wrong; rejected too (expired)", [WHO_IS_OPEN]],
  ["that may be revoked yet", "good_es384", { status: "provisional" }, MARKET,
    "This receipt is valid so far", "Not proven: provisional, as the job may find the work wrong yet", ["Pay nothing for it before it holds."]],
  ["that may be revoked yet and expired", "exp_past", { status: "provisional" }, MARKET,
    "This receipt is not valid", "Broken: rejected (expired); provisional, as the job may find the work wrong yet", []],
  ["of whose standing nothing is said", "good_es384", undefined, undefined,
    "This receipt is valid", "Not proven: whether it was revoked is not known; whether it is for you was not checked", [WHO_IS_OPEN, "Whether it was revoked since is not known"]],
];
for (const [name, receipt, standing, reader, title, end, texts] of ENDS) {
  test(`the end of the chain of trust of a receipt ${name}`, () => visit("/console/", async (page) => {
    if (reader !== undefined) {
      await page.click(".expected summary");
      await page.type(".expected input", reader);
    }
    assert.equal((await typed(page, await vector(receipt))).title, title);
    await sees(page, ...texts);
    const { listed, drawn, tone, isCut, described, you, overflowing } = await endOfChain(page);
    assert.equal(listed, end);
    const [state, text] = [end.slice(0, end.indexOf(": ")), end.slice(end.indexOf(": ") + 2)];
    assert.equal(drawn, text);
    assert.equal(tone, { Holds: "good", "Not proven": "warn", Broken: "bad" }[state]);
    assert.equal(isCut, state === "Broken");
    assert.deepEqual(overflowing, []);
    assert.ok(described.includes(`${end}. You, `), described);
    assert.deepEqual(you, { listed: `You ${reader ?? "unnamed"}`, drawn: ["You", reader ?? "unnamed"] });
    assert.equal(await page.evaluate((named) => document.body.innerText.includes(named), WHO_IS_OPEN), reader === undefined);
  }, { prepare: async (page) => asVectors(page, standing, await vectorNow(receipt)) }));
}

test("who did not say who they are is asked right away when they come back", () => visit("/console/", async (page) => {
  await typed(page, await vector("good_es384"));
  await page.evaluate(() => [...document.querySelectorAll("button")].find((button) => button.innerText === "Expectations").click());
  await page.type(".expected input", MARKET);
  await page.click("button.primary");
  await page.waitForSelector(".verdict h2");
  assert.equal((await endOfChain(page)).listed, "Holds: checked in this browser");
}, { prepare: (page) => asVectors(page, { status: "holds" }) }));

/** How the receipt reaches its reader: in the list, in the drawing, and in what is read out of the drawing. */
const endOfChain = (page) => page.evaluate(() => {
  const last = (selector) => [...document.querySelectorAll(selector)].at(-1);
  const tie = last(".drawing .tie");
  return {
    listed: last(".links .link").textContent,
    drawn: [...tie.querySelectorAll("tspan")].map((line) => line.textContent).join(" "),
    tone: tie.classList[1],
    overflowing: [...document.querySelectorAll(".drawing text")].filter((text) => {
      const [{ x, width, height }, drawing] = [text.getBBox(), text.ownerSVGElement.viewBox.baseVal];
      return x + width > drawing.width || height > 52;
    }).map((text) => text.textContent),
    isCut: tie.querySelector(".cut") !== null,
    described: document.getElementById("chain-text").textContent,
    you: { listed: last(".links li").textContent, drawn: [...last(".drawing .node").querySelectorAll("text")].map((text) => text.textContent) },
  };
});

test("of what a key of the verifier signed and is no receipt nothing is shown", () => visit("/console/", async (page) => {
  await typed(page, await vector("claim_level_unknown"));
  await sees(page, "A key of this verifier signed it, but it cannot be read as a receipt");
  assert.equal(await page.$(".chain"), null);
}, { prepare: asVectors }));

test("an expired receipt is shown as such", () => visit("/console/", async (page) => {
  assert.equal((await verdictOn(page, market.token)).code, "expired");
  await sees(page, "It has expired.");
}, { prepare: at(Math.floor(Date.now() / 1000) + 2 * 31_536_000) }));

test("a receipt for somebody else is shown as such", () => visit("/console/", async (page) => {
  await page.click(".expected summary");
  await page.type(".expected input", "https://elsewhere.example");
  assert.equal((await verdictOn(page, market.token)).code, "audience_mismatch");
  await sees(page, "It is meant for somebody else.");
}));

test("who asks for no assurance is still told that it is simulated", () => visit("/console/", async (page) => {
  await page.click(".expected summary");
  await page.select(".expected select", "A0");
  const verdict = await verdictOn(page, market.token);
  assert.match(verdict.title, /Simulated/);
  assert.ok(verdict.tone.includes("warn"));
  await sees(page, "Simulated evidence.", "Anybody can make such a receipt without a GPU.");
}));

for (const [name, texts] of [
  ["good_es384", ["This receipt is valid", "gemm_i8@1", "570.124.06", "10^37", "Time on a GPU. No receipt says so."]],
  ["good_a3", ["This receipt is valid", "A3", "Confidential virtual machine"]],
  ["good_audit_chained", ["This receipt is valid", "build on one another"]],
  ["good_program", ["This receipt", "the provider's word"]],
  ["good_revocation_unverifiable", ["Could not be made", "That is no pass."]],
]) {
  test(`${name} is told in words`, () => visit("/console/", async (page) => {
    await typed(page, await vector(name));
    await sees(page, ...texts);
  }, { prepare: asVectors }));
}

/** What is shown is text: nothing of it became an element or ran, nor does it push the page out of its frame. */
async function isText(page, ...texts) {
  await sees(page, ...texts);
  const made = await page.evaluate(() => [...document.querySelectorAll("img, iframe, object, embed, [onerror], [onload], main svg[onload], main script")].map((element) => element.outerHTML));
  assert.deepEqual(made, []);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  assert.deepEqual(await page.$$eval("a", (links) => links.map((link) => link.protocol).filter((protocol) => !/^(https?|data|blob):$/.test(protocol))), []);
  await fits(page, "the page");
}

/** A phone makes the window as wide as the page, so its width is that of the screen. */
async function fits(page, name) {
  const [wide, { width }] = [await page.evaluate(() => document.documentElement.scrollWidth), page.viewport()];
  assert.ok(wide <= width, `${name} is ${wide} wide on a screen of ${width}`);
}

const MARKUP = '<img src=x onerror="hacked=1"><script>hacked=1</script>';

test("hostile claims of a receipt are text", async () => {
  for (const viewport of [DESK, PHONE]) {
    await visit("/console/", async (page) => {
      await typed(page, await vector("good_texts_hostile"));
      await page.evaluate(() => { for (const details of document.querySelectorAll("details")) details.open = true; });
      await isText(page, "This receipt is valid", MARKUP, "</code><svg onload=hacked=1>", "javascript:hacked=1//", "<iframe srcdoc=");
    }, { viewport, prepare: asVectors });
  }
});

test("a hostile label of a job is text", async () => {
  const label = `${MARKUP}\u001b[2J\u001b[31m ${"endless".repeat(20)}`;
  const job = await market.job(128, 1, { label: label.slice(0, 256) });
  for (const viewport of [DESK, PHONE]) {
    await visit(`/console/jobs/${job}`, (page) => isText(page, MARKUP), { viewport, key: market.tenant.key });
  }
});

test("without WebCrypto nothing is said about a receipt", () => visit("/console/", async (page) => {
  await verdictOn(page, market.token);
  await sees(page, "Nothing can be said about this receipt");
  assert.equal(await page.$("#checks"), null);
}, { prepare: (page) => page.evaluateOnNewDocument(() => Object.defineProperty(Crypto.prototype, "subtle", { value: undefined })) }));

test("a receipt is opened by its name, also by its address", () => visit(`/console/receipts/${market.receipt.id}`, async (page) => {
  await sees(page, "Simulated: this proves nothing about hardware", "Replicas agree", "2 executions agree.");
}));

/** Changes what the verifier says of receipts, on its way to the page. */
const saying = (status) => ({
  prepare: (page) => page.evaluateOnNewDocument((changed) => {
    const ask = globalThis.fetch;
    globalThis.fetch = async (path, options) => {
      const answer = await ask(path, options);
      if (!`${path}`.startsWith("/v1/receipts/") || new Headers(options.headers).get("accept") !== "application/json") return answer;
      const said = await answer.json();
      return Response.json({ ...said, ...changed });
    };
  }, status),
});

test("a receipt that was revoked is told so first", () => visit(`/console/receipts/${market.receipt.id}`, async (page) => {
  await sees(page, "This receipt was revoked", "Pay nothing for it.", "Revoked ");
}, saying({ status: "revoked", revoked_at: "2026-11-27T12:00:00Z" })));

test("a receipt that may be revoked yet is told so", () => visit(`/console/receipts/${market.receipt.id}`, async (page) => {
  await sees(page, "Provisional: the job that it came of is not over");
}, saying({ status: "provisional" })));

test("a name that nobody knows is told", () => visit(`/console/receipts/${"0".repeat(32)}`, (page) => sees(page, "That did not work.")));

test("a file that is dropped is checked", () => visit("/console/", async (page) => {
  // Only then does the page listen for what is dropped.
  await sees(page, market.issuer);
  await page.evaluate((token) => {
    const data = new DataTransfer();
    data.items.add(new File([token], "receipt.jwt"));
    dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
  }, market.token);
  await sees(page, "Simulated: this proves nothing about hardware");
}));

test("by keyboard alone, from the address to the verdict", () => visit("/console/", async (page) => {
  const focused = () => page.evaluate(() => document.activeElement.innerText || document.activeElement.tagName);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "To the content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "TEXTAREA");
  await page.keyboard.sendCharacter(market.token);
  await page.keyboard.press("Tab");
  assert.match(await focused(), /What you expect/);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Check receipt");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".verdict h2");
  await page.waitForFunction(() => document.activeElement.matches(".verdict h2"));
  assert.match(await focused(), /Simulated/);
}));

test("who signs in is known until it signs out, and nothing is left", () => visit("/console/jobs", async (page) => {
  await sees(page, "Sign in as tenant or marketplace.");
  await page.click(".notice button");
  await page.type("dialog input", market.tenant.key);
  await page.keyboard.press("Enter");
  await sees(page, "Acme Research", "Settled");
  await page.reload({ waitUntil: "load" });
  await sees(page, "Acme Research");
  await page.click(".account button");
  await sees(page, "Sign in as tenant or marketplace.");
  assert.deepEqual(await page.evaluate(() => [sessionStorage.length, localStorage.length]), [0, 0]);
}));

test("a key that nobody has is refused", () => visit("/console/fleet", async (page) => {
  await page.click(".notice button");
  await page.type("dialog input", `pogw_AAAAAAAA_${"A".repeat(43)}`);
  await page.click("dialog button.primary");
  await sees(page, "That did not work.");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
}).catch((error) => {
  // The browser itself writes the 401 to its console; nothing else may be there.
  assert.match(error.message, /status of 401/);
}));

test("a marketplace is shown all jobs, and is not told to offer one", () => visit("/console/jobs", async (page) => {
  await sees(page, "Market square", "All jobs, latest first", "No jobs yet.");
  assert.doesNotMatch(await page.evaluate(() => document.body.innerText), /pogw job submit|What you asked for/);
}, {
  key: market.marketplace.key,
  prepare: async (page) => {
    await page.setRequestInterception(true);
    page.on("request", (request) => new URL(request.url()).pathname === "/v1/jobs"
      ? request.respond({ contentType: "application/json", body: '{"jobs":[],"next":null}' }) : request.continue());
  },
}));

test("a job is followed as it goes on", async () => {
  const job = await market.job(512, 2, { label: "Followed" });
  await visit(`/console/jobs/${job}`, async (page) => {
    await sees(page, "Job created", "Job settled", "Settled");
    const rows = await page.$$eval("table tbody tr", (rows) => rows.length);
    assert.equal(rows, 2);
    await page.evaluate(() => [...document.querySelectorAll("a")].find((link) => link.innerText === "Look at the receipt").click());
    await sees(page, "2 executions agree.");
  }, { key: market.tenant.key });
});

test("a statement is downloaded as CSV", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pogw-download-"));
  await visit("/console/statement", async (page, context) => {
    const session = await browser.target().createCDPSession();
    await session.send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: folder, browserContextId: context.id });
    await sees(page, "Deposit");
    await page.evaluate(() => [...document.querySelectorAll("button")].find((button) => button.innerText === "Download as CSV").click());
    for (let tries = 0; tries < 100 && !(await readdir(folder)).includes("statement.csv"); tries += 1) await new Promise((resolve) => setTimeout(resolve, 100));
    assert.match(await readFile(join(folder, "statement.csv"), "utf8"), /^at,kind,job,/);
  }, { key: market.providers[0].key });
  await rm(folder, { recursive: true });
});

/** A day as a busy verifier would tell it. */
async function aBusyDay(page) {
  const now = Math.floor(Date.now() / 1000);
  const bounds = Array.from({ length: 20 }, (_, at) => 128 * 2 ** at);
  const steps = Array.from({ length: 96 }, (_, back) => {
    const wave = 1 + Math.sin(back / 14);
    const count = Math.round(40 * wave + 9 * Math.abs(Math.sin(back * 3)));
    const latency = bounds.map((_, at) => Math.round(count * Math.exp(-((at - 5 - wave) ** 2))));
    return {
      at: new Date((Math.floor(now / 900) - back) * 900_000).toISOString().replace(".000", ""),
      verdicts: [
        { of: "bundle", verdict: "granted", count },
        { of: "bundle", verdict: "nonce_mismatch", count: back % 9 === 0 ? 4 : 1 },
        { of: "opening", verdict: "unverifiable", count: back > 50 && back < 56 ? 12 : 0 },
      ],
      latency: [...latency, 0],
    };
  }).reverse();
  const told = { as_of: new Date(now * 1000).toISOString(), step_s: 900, latency_bounds_us: bounds, steps };
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (new URL(request.url()).searchParams.get("step_s") !== "900") return request.continue();
    return request.respond({ contentType: "application/json", body: JSON.stringify(told) });
  });
}

/** Every page, for whom it is, and what a person sees there. */
const PAGES = () => [
  ["receipt-empty", "/console/", undefined, ["Check a work receipt"]],
  ["receipt-simulated", `/console/receipts/${market.receipt.id}`, undefined, ["Simulated evidence."]],
  ["receipt-genuine", "/console/", undefined, ["This receipt is valid"], { prepare: asVectors, token: vector("good_a3") }],
  ["receipt-expired", "/console/", undefined, ["It has expired."], { prepare: (page) => asVectors(page, { status: "holds" }, VECTORS_NOW + 31_536_000), token: vector("good_es384") }],
  ["receipt-provisional", "/console/", undefined, ["This receipt is valid so far"], { prepare: (page) => asVectors(page, { status: "provisional" }), token: vector("good_es384") }],
  ["receipt-revoked", "/console/", undefined, ["This receipt was revoked"], { prepare: (page) => asVectors(page, REVOKED), token: vector("good_es384") }],
  ["receipt-forged", "/console/", undefined, ["This receipt is not valid"], { token: withPayload(market.token, (claims) => { claims.sub = "me"; }) }],
  ["jobs", "/console/jobs", market.tenant.key, ["Settled"]],
  ["job", `/console/jobs/${market.settled}`, market.tenant.key, ["Job settled"]],
  ["fleet", "/console/fleet", market.providers[0].key, ["1 of 1 present", "As of"]],
  ["collateral", "/console/collateral", undefined, ["manifests at hand are good"]],
  ["statement", "/console/statement", market.providers[0].key, ["Entries"]],
  ["overview", "/console/overview", market.operator, ["Verdicts in a quarter of an hour", "report too short"]],
  ["overview-busy", "/console/overview", market.operator, ["nonce mismatch"], { prepare: aBusyDay }],
  ["api", "/console/api/createJob", undefined, ["Offer a job", "jobs:write", "funds_missing", "curl --fail-with-body"]],
  ["signed-out", "/console/overview", undefined, ["Sign in as operator."]],
];
const LOOKS = [["desk", DESK, false], ["desk-dark", DESK, true], ["phone", PHONE, false], ["phone-dark", PHONE, true]];

for (const [look, viewport, dark] of LOOKS) {
  test(`every page is accessible and fits: ${look}`, async () => {
    for (const [name, path, key, texts, { prepare, token } = {}] of PAGES()) {
      await visit(path, async (page) => {
        if (token !== undefined) await typed(page, await token);
        await sees(page, ...texts);
        await page.evaluate(() => { for (const details of document.querySelectorAll("details")) details.open = true; });
        await isAccessible(page, `${name} ${look}`);
        await fits(page, name);
        if (SCREENSHOTS === undefined) return;
        await page.evaluate(() => {
          for (const details of document.querySelectorAll("details")) details.open = false;
          document.activeElement?.blur();
        });
        await page.screenshot({ path: join(SCREENSHOTS, `${name}-${look}.png`), fullPage: true });
      }, { viewport, dark, key, prepare });
    }
  });
}

/** axe finds nothing, and every control and landmark of the accessibility tree has a name. */
async function isAccessible(page, where) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" | ")}`);
  assert.deepEqual(told, [], where);
  const session = await page.createCDPSession();
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const named = ["button", "link", "textbox", "combobox", "checkbox", "region", "navigation", "dialog", "heading", "image", "article"];
  const nameless = nodes.filter(({ ignored, role, name }) => !ignored && named.includes(role?.value) && (name?.value ?? "") === "");
  assert.deepEqual(nameless.map(({ role }) => role.value), [], where);
}
