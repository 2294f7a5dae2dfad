// The styles of the page for a shadow root: the page's own elements become the host, its width that of the container, and its custom
// properties may be set from outside under the prefix `salon-`.
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { build } from "esbuild";

/** style.css of the element and all that it imports, as one text. */
export async function style(target) {
  const { outputFiles } = await build({ entryPoints: ["element/style.css"], bundle: true, minify: true, write: false, target, plugins: [plugin] });
  return outputFiles[0].text;
}

const plugin = {
  name: "scoped",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, ({ path }) => ({ contents: scoped(readFileSync(path, "utf8")), loader: "css", resolveDir: dirname(path) }));
  },
};

function scoped(css) {
  return css
    .replace(/@import "@fontsource[^;]*;\n/g, "") // a shadow root defines no fonts
    .replace(/^html,\nbody,\n#chat \{[^}]*\}\n/m, "")
    .replace(/^\s*--wordmark: .*\n/m, "") // it is the host's page, and does not bear our name
    .replace(/(?<=:root \{)[^}]*/g, (block) => block.replace(/^(\s*)--([\w-]+): (.*?);/gm, "$1--$2: var(--salon-$2, $3);"))
    .replace(/^(\s*)(?::root|html|body) \{/gm, "$1:host {")
    .replace(/^(?!.*--salon-rem|@media).*$/gm, (line) => line.replace(/(-?[\d.]+)rem\b/g, "calc($1 * var(--rem))"))
    .replace(/@media \(width/g, "@container (width");
}
