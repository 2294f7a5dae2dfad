/** The styles of the element as constructed sheets, which a content security policy does not block; all elements share them. */

/** What build.mjs makes of style.css. */
declare const STYLE: string;

const sheets = new Map<string, CSSStyleSheet>();

/** For `light`, `dark`, or whatever the browser prefers. */
export function sheetOf(theme: string | null): CSSStyleSheet {
  const kind = theme === "light" || theme === "dark" ? theme : "";
  let sheet = sheets.get(kind);
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    const dark = { dark: " all", light: " not all", "": "(prefers-color-scheme: dark)" }[kind];
    sheet.replaceSync(STYLE.replace(/\(prefers-color-scheme: ?dark\)/g, dark));
    sheets.set(kind, sheet);
  }
  return sheet;
}
