/**
 * Bundles `src/` into the folder that is named (`dist` without one): script, style, icon, page, each compressed beside itself,
 * the licences of what is bundled, and `table.rs`, by which the verifier finds them. The same sources give the same bytes.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";

const here = (path) => new URL(path, import.meta.url);
const out = process.argv[2] ?? here("dist").pathname;
const MEDIA_TYPES = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  html: "text/html; charset=utf-8",
  txt: "text/plain; charset=utf-8",
};

/** The meanings of codes, from the tables where they are kept: reasons of evidence and of jobs, and problems of the service. */
async function reasons() {
  const [receipt, documented, service] = await Promise.all(
    ["../receipt/README.md", "../docs/reasons.md", "../verifier-service/README.md"].map((path) => readFile(here(path), "utf8")));
  const meanings = (text, row) => Object.fromEntries([...text.matchAll(row)].map(([, code, meaning]) => [code, meaning.trim().replace(/; `Retry-After`$/, "").replaceAll("`", "")]));
  const two = /^\| `([a-z0-9_]+)` \| ([^|]+) \|$/gm;
  return {
    reasons: { ...meanings(receipt, two), ...meanings(documented, two) },
    problems: meanings(service, /^\| [0-9]{3} \| `([a-z0-9_]+)` \| ([^|]+) \|$/gm),
  };
}

const virtualReasons = {
  name: "reasons",
  setup(builder) {
    builder.onResolve({ filter: /^virtual:reasons$/ }, ({ path }) => ({ path, namespace: "reasons" }));
    builder.onLoad({ filter: /.*/, namespace: "reasons" }, async () => ({ contents: JSON.stringify(await reasons()), loader: "json" }));
  },
};

async function bundle(entry) {
  const { outputFiles, metafile } = await build({
    entryPoints: [here(entry).pathname],
    absWorkingDir: here(".").pathname,
    bundle: true, minify: true, write: false, metafile: true, format: "esm", target: "es2022", charset: "utf8",
    jsx: "automatic", jsxImportSource: "preact", legalComments: "none", plugins: [virtualReasons],
  });
  return { bytes: Buffer.from(outputFiles[0].contents), inputs: Object.keys(metafile.inputs) };
}

/** The licence of every package of which something is in the bundle. */
async function licences(inputs) {
  const packages = new Set(inputs.map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean));
  const texts = [...packages].sort().map(async (name) => {
    const { version, license } = JSON.parse(await readFile(here(`node_modules/${name}/package.json`), "utf8"));
    return `${name} ${version} (${license})\n\n${await readFile(here(`node_modules/${name}/LICENSE`), "utf8")}`;
  });
  return Buffer.from((await Promise.all(texts)).join("\n\n"));
}

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");

function compressed(bytes) {
  return brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } });
}

async function write(path, bytes) {
  await writeFile(`${out}/${path}`, bytes);
  await writeFile(`${out}/${path}.br`, compressed(bytes));
  return { path, bytes };
}

/** Under a name that changes with the content, so that it may be kept for ever. */
function named(stem, extension, bytes) {
  return write(`${stem}-${digest(bytes).slice(0, 12)}.${extension}`, bytes);
}

function row({ path, bytes }, isNamedByContent) {
  return [
    "    Asset {",
    `        path: "${path}",`,
    `        media_type: "${MEDIA_TYPES[path.split(".").pop()]}",`,
    `        sha256: "${digest(bytes)}",`,
    `        is_named_by_content: ${isNamedByContent},`,
    `        plain: include_bytes!("${path}"),`,
    `        brotli: include_bytes!("${path}.br"),`,
    "    },",
  ].join("\n");
}

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const script = await bundle("src/main.tsx");
const assets = [
  await named("console", "js", script.bytes),
  await named("console", "css", (await bundle("src/style.css")).bytes),
  await named("icon", "svg", await readFile(here("src/icon.svg"))),
  await named("licences", "txt", await licences(script.inputs)),
];
const [js, css, icon, notices] = assets.map(({ path }) => `/console/${path}`);
const page = (await readFile(here("src/index.html"), "utf8"))
  .replace("SCRIPT", js).replace("STYLE", css).replace("ICON", icon).replace("NOTICES", notices);
const index = await write("index.html", Buffer.from(page));
const rows = [...assets.map((asset) => row(asset, true)), row(index, false)];
await writeFile(`${out}/table.rs`, `// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.\n[\n${rows.join("\n")}\n]\n`);

for (const { path, bytes } of [...assets, index]) console.log(`${path}  ${bytes.length} bytes, ${compressed(bytes).length} compressed`);
