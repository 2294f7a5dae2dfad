// Bundles the two pages, the worker that keeps one of them, and salon.js into the folder that is named, with hashed names and
// compressed copies beside.
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const out = process.argv[2];
const PAGES = ["chat", "admin"];
const TARGET = ["es2022", "chrome110", "firefox115", "safari16.4"];
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
writeFileSync(join(out, "salon.d.ts"), declarations());
writeFileSync(join(out, "assets", "LEGAL.txt"), notices());
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

/** All the types of salon.js in one file: what tsc makes of each module, without their imports of each other. */
function declarations() {
  const tsc = "node_modules/typescript/bin/tsc";
  const options = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--stripInternal", "--rootDir", "sdk", "--outDir", "types"];
  writeFileSync("tsconfig.sdk.json", JSON.stringify({ extends: "./tsconfig.json", include: ["sdk/*.ts"] }));
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.sdk.json", ...options], { stdio: "inherit" });
  const read = (name) => readFileSync(`types/${name}.d.ts`, "utf8");
  const bases = ["exchange", "people"].map((name) => read(name).replaceAll("export declare class", "declare class")); // of Salon, and nobody's else
  const parts = [...["frames", "types", "refused", "fold"].map(read), ...bases, read("salon")];
  return parts.join("\n").replace(/^(import|export) [^;]*? from "\.\/[^"]*";\n/gm, "").replace(/^export \{\};\n/gm, "");
}

/** The licences of what is bundled. */
function notices() {
  const inputs = Object.keys(pages.metafile.inputs).flatMap((file) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []);
  const bundled = [...new Set(inputs)].sort();
  return bundled.map((name) => {
    const folder = join("node_modules", name);
    const { version, license, author, homepage } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const files = readdirSync(folder).filter((file) => /^licen[cs]e/i.test(file));
    const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
    const by = typeof author === "string" ? author : (author?.name ?? "");
    return [`${name} ${version} (${license}) ${by} ${homepage ?? ""}`.trim(), ...texts].join("\n\n");
  }).join(`\n\n${"-".repeat(80)}\n\n`) + "\n";
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
