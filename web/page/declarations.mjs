// The types of salon.js as one file, and those of what is beside it in the npm package, all written by tsc.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const TSC = "node_modules/typescript/bin/tsc";
const OPTIONS = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--stripInternal", "--rootDir", ".", "--outDir", "types"];

/** By the name of its module: what salon.d.ts says, and what each of these other modules declares. */
export function declarations(...others) {
  emit(["sdk/*.ts"]);
  // As they are written: what they are made of is not part of their types, and was checked already.
  if (others.length) emit(others.map((each) => `${each}.ts`), "--noResolve", "--noCheck");
  return Object.fromEntries([["sdk/salon", whole()], ...others.map((each) => [each, beside(each)])]);
}

function emit(include, ...more) {
  writeFileSync("tsconfig.types.json", JSON.stringify({ extends: "./tsconfig.json", include }));
  execFileSync(process.execPath, [TSC, "-p", "tsconfig.types.json", ...OPTIONS, ...more], { stdio: "inherit" });
}

/** What tsc makes of each module, without their imports of each other. */
function whole() {
  const sdk = (name) => read(`sdk/${name}`);
  const bases = ["exchange", "people"].map((name) => sdk(name).replaceAll("export declare class", "declare class")); // of Salon, and nobody's else
  const parts = [...["frames", "types", "refused", "fold"].map(sdk), ...bases, sdk("salon")];
  return parts.join("\n").replace(/^(import|export) [^;]*? from "\.\/[^"]*";\n/gm, "").replace(/^export \{\};\n/gm, "");
}

/** It may name salon.js and nothing else of ours. */
function beside(name) {
  const text = read(name).replaceAll('"../sdk/salon.ts"', '"./salon.js"');
  if (/from "\.[^"]*\.tsx?"/.test(text)) throw new Error(`the types of ${name} name a module that is not in the package:\n${text}`);
  return text;
}

function read(name) {
  return readFileSync(`types/${name}.d.ts`, "utf8");
}
