// Bundles the two pages, the worker that keeps one of them, and salon.js into the folder that is named, with hashed names and
// compressed copies beside.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { declarations } from "./declarations.mjs";
import { notices } from "./notices.mjs";
import { style } from "./scoped.mjs";
import { TARGET } from "./target.mjs";

const out = process.argv[2];
const PAGES = ["chat", "admin"];
const SMALL = 1000; // bytes, not worth compressing

mkdirSync(join(out, "assets"), { recursive: true });
const pages = await build({
  entryPoints: Object.fromEntries(PAGES.map((name) => [name, `${name}/main.ts`])),
  outdir: join(out, "assets"),
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".svg": "file", ".png": "file", ".woff2": "file" },
  publicPath: "/assets",
  bundle: true,
  format: "esm",
  target: TARGET,
  minify: true,
  metafile: true,
  legalComments: "none",
});
const files = new Map(readdirSync("shared/files").map((file) => [file, placed(file)]));
for (const name of PAGES) writeFileSync(join(out, `${name}.html`), page(name));
await build({
  entryPoints: ["worker/worker.ts"],
  outfile: join(out, "worker.js"),
  bundle: true,
  format: "iife",
  target: TARGET,
  minify: true,
  define: shell(),
});
await build({
  entryPoints: ["sdk/salon.ts"],
  outfile: join(out, "salon.js"),
  bundle: true,
  format: "esm",
  target: TARGET,
  banner: { js: "// salon.js, the browser's way into a salon server. Types: salon.d.ts. Apache-2.0." },
});
await build({
  entryPoints: { "salon-chat": "element/element.ts" },
  outdir: out,
  bundle: true,
  format: "esm",
  target: TARGET,
  minify: true,
  legalComments: "none",
  define: { STYLE: JSON.stringify(await style(TARGET)), SERVED: "true" },
});
writeFileSync(join(out, "salon.d.ts"), declarations()["sdk/salon"]);
writeFileSync(join(out, "assets", "LEGAL.txt"), notices(pages.metafile));
for (const folder of [out, join(out, "assets")]) compress(folder);

/** The address of a file that pages name in their HTML (icon, manifest), with a hash like those of esbuild. */
function placed(file) {
  const bytes = readFileSync(join("shared/files", file));
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
  const name = file.replace(/\.(\w+)$/, `-${hash}.$1`);
  writeFileSync(join(out, "assets", name), bytes);
  return `/assets/${name}`;
}

/** What the worker keeps of the chat page: its own files at once, letters of rarer scripts once they were needed. */
function shell() {
  const html = readFileSync(join(out, "chat.html"), "utf8");
  const named = [...html.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, address]) => address);
  const fonts = Object.keys(pages.metafile.outputs).map((file) => `/assets/${basename(file)}`).filter((file) => file.endsWith(".woff2"));
  const [usual, rare] = [true, false].map((is) => fonts.filter((file) => file.includes("-latin-wght-") === is));
  const parts = { SCRIPT: named.find((file) => file.endsWith(".js")), SHELL: [...named, ...usual], SPARE: rare };
  const digest = createHash("sha256").update(JSON.stringify([html, parts])).digest("hex").slice(0, 12);
  return Object.fromEntries(Object.entries({ BUILD: digest, ...parts }).map(([name, value]) => [name, JSON.stringify(value)]));
}

/** The page's HTML with the names that its script, style and files got. */
function page(name) {
  const names = new Map(files);
  for (const [file, { entryPoint }] of Object.entries(pages.metafile.outputs)) {
    const [, stem, kind] = /^(.+)-[A-Z0-9]{8}\.(\w+)$/.exec(basename(file)) ?? [];
    if (stem && (!entryPoint || stem === name)) names.set(`${stem}.${kind}`, `/assets/${basename(file)}`);
  }
  return readFileSync(`${name}/index.html`, "utf8").replace(/\{\{(.+?)\}\}/g, (_, asked) => {
    if (!names.has(asked)) throw new Error(`${name}/index.html asks for ${asked}; there are ${[...names.keys()]}`);
    return names.get(asked);
  });
}

function compress(folder) {
  for (const file of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, file.name);
    if (!file.isFile() || !/\.(js|css|html|svg|ts|txt)$/.test(path)) continue;
    const bytes = readFileSync(path);
    if (bytes.length < SMALL) continue;
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
  }
}
