/** A person's mark: their initials on a colour that their id always gets. */

const HUES = 8;

export function Avatar({ id, name, online }: { id: string; name: string; online?: boolean }) {
  return (
    <span class={`avatar hue-${hue(id)}`} aria-hidden="true">
      {initials(name)}
      {online !== undefined && <span class={online ? "dot on" : "dot"} />}
    </span>
  );
}

export function hue(id: string): number {
  let sum = 0;
  for (let at = 0; at < id.length; at++) sum = (sum * 31 + id.charCodeAt(at)) >>> 0;
  return sum % HUES;
}

/** The first letters of the first and last word, whole characters of any script. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const ends = words.length > 1 ? [words[0]!, words[words.length - 1]!] : words;
  return ends.map((word) => [...word][0]!.toLocaleUpperCase()).join("") || "?";
}
