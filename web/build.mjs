// Builds the site: node build.mjs PREPARED SITE. PREPARED is what `python -m web.prepare` wrote.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { shuffle } from "./src/shuffle.js";

const HERE = dirname(fileURLToPath(import.meta.url));
const PAGE = join(HERE, "../emotion/server/static");
const RUNTIME = join(dirname(createRequire(import.meta.url).resolve("onnxruntime-web/wasm")), "ort-wasm-simd-threaded");
const GPU_RUNTIME = `${RUNTIME}.jsep`;
const ON_DEMAND = "engine/gpu/"; // only for browsers that have a GPU, so not among the files of a first visit
const LICENSES = ["../LICENSE", "../emotion/inference/yunet_license.txt", "onnxruntime_license.txt"];
const STYLES = ["style.css", "groups.css", "icon.svg"];

// The page asks nobody but its own host. `blob:` is for pictures that are shown, and for the worker.
const POLICY = [
  "default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "worker-src 'self' blob:", "style-src 'self'",
  "img-src 'self' blob:", "media-src 'self' blob:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'",
].join("; ");

const [prepared, site] = process.argv.slice(2);

// Packs here, because many file servers do not; the file is named so that none unpacks it on the way. Returns its size.
function pack(name, bytes) {
  const content = gzipSync(bytes, { level: 9 });
  writeFileSync(join(site, name), content);
  return content.length;
}

function packFiles() {
  const packed = {
    "runtime.bin": readFileSync(`${RUNTIME}.wasm`),
    "emotion.bin": shuffle(readFileSync(join(prepared, "emotion.onnx"))),
    "yunet.bin": readFileSync(join(prepared, "yunet.onnx")),
  };
  const sizes = {};
  for (const [name, bytes] of Object.entries(packed)) sizes[name] = pack(`engine/${name}`, bytes);
  pack("engine/gpu/runtime.bin", readFileSync(`${GPU_RUNTIME}.wasm`));
  const facts = JSON.parse(readFileSync(join(prepared, "facts.json"), "utf8"));
  writeFileSync(join(site, "engine/facts.json"), JSON.stringify({ ...facts, sizes }));
}

// Apart from the worker, because the runtime embeds it only where it can tell that it is at home, which blobs hide.
function copyLoaders() {
  cpSync(`${RUNTIME}.mjs`, join(site, "engine/runtime.js"));
  cpSync(`${GPU_RUNTIME}.mjs`, join(site, "engine/gpu/runtime.js"));
}

function writePage() {
  const meta = `<meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
  const page = readFileSync(join(PAGE, "index.html"), "utf8").replace('<meta charset="utf-8">', `$&\n  ${meta}`);
  writeFileSync(join(site, "index.html"), page);
  const licenses = LICENSES.map((name) => readFileSync(join(HERE, name), "utf8"));
  writeFileSync(join(site, "licenses.txt"), licenses.join("\n\n"));
  for (const name of STYLES) cpSync(join(PAGE, name), join(site, "static", name));
}

const filesOf = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();

// Changes with any file that goes into the site, so that a new build never meets the cache of an older one.
function hashOfAll() {
  const hash = createHash("sha256");
  const sources = [join(HERE, "src"), PAGE].flatMap(filesOf);
  const made = filesOf(join(site, "engine"));
  const others = ["package.json", "build.mjs", ...LICENSES].map((name) => join(HERE, name));
  for (const path of [...sources, ...made, ...others]) hash.update(readFileSync(path));
  return JSON.stringify(hash.digest("hex").slice(0, 16));
}

const bundle = (entries, defined) => build({
  absWorkingDir: HERE, entryPoints: entries, outdir: site, define: defined,
  bundle: true, format: "esm", conditions: ["onnxruntime-web-use-extern-wasm"], minify: true, target: "es2022", legalComments: "none", logLevel: "warning",
});

rmSync(site, { recursive: true, force: true });
for (const name of ["static", "engine/gpu"]) mkdirSync(join(site, name), { recursive: true });
packFiles();
copyLoaders();
writePage();
const defined = { BUILD: hashOfAll() };
const entries = {
  "static/app": "src/app.js", "engine/engine": "src/engine.js", "engine/worker": "src/worker.js",
  "engine/gpu/classifier": "src/gpu_classifier.js",
};
await bundle(entries, defined);
const names = filesOf(site).map((path) => path.slice(site.length + 1));
const first = ["./", ...names.filter((name) => !name.startsWith(ON_DEMAND))];
await bundle({ service_worker: "src/service_worker.js" }, { ...defined, SITE_FILES: JSON.stringify(first) });
const megabytes = (files) => (files.reduce((sum, path) => sum + readFileSync(path).length, 0) / 1e6).toFixed(1);
const onDemand = filesOf(join(site, ON_DEMAND));
console.log(`${site}: ${filesOf(site).length} files, ${megabytes(filesOf(site))} MB, ${megabytes(onDemand)} MB of these only for a GPU`);
