// The licences of the libraries in a bundle.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** As one text, of all that esbuild has taken in. */
export function notices(metafile) {
  const inputs = Object.keys(metafile.inputs).flatMap((file) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []);
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
