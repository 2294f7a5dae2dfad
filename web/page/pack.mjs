// Makes the npm package of salon.js in the folder that is named: what `npm pack` packs.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { declarations } from "./declarations.mjs";
import { notices } from "./notices.mjs";
import { style } from "./scoped.mjs";
import { TARGET } from "./target.mjs";

const [, , out, version, repository] = process.argv;
const ENTRIES = { salon: "sdk/salon", react: "react/react", element: "element/element" };

mkdirSync(out, { recursive: true });
const { metafile } = await build({
  entryPoints: Object.fromEntries(Object.entries(ENTRIES).map(([name, module]) => [name, `${module}.ts`])),
  outdir: out,
  bundle: true,
  splitting: true, // Refused is the same class, whichever of them it comes from
  format: "esm",
  target: TARGET,
  metafile: true,
  external: ["react"],
  legalComments: "none",
  define: { STYLE: JSON.stringify(await style(TARGET)), SERVED: "false" },
});
const types = declarations(...Object.values(ENTRIES).slice(1));
for (const [name, module] of Object.entries(ENTRIES)) writeFileSync(join(out, `${name}.d.ts`), types[module]);
writeFileSync(join(out, "LEGAL.txt"), notices(metafile));
copyFileSync("package/README.md", join(out, "README.md"));

const manifest = JSON.parse(readFileSync("package/package.json", "utf8"));
const { name, description, ...rest } = manifest;
const source = repository && { repository: { type: "git", url: `git+${repository}.git`, directory: "web/page" } };
writeFileSync(join(out, "package.json"), JSON.stringify({ name, version, description, ...source, ...rest }, null, 2) + "\n");
