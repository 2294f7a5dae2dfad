/** Files in words and in pixels. Plain functions, no page. */

import type { GivenFile } from "../sdk/types.ts";

const WIDEST = 384; // CSS pixels of a picture in the log
const HIGHEST = 320;
const PREVIEWS = [160, 320, 640, 1280]; // what the server makes

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^image\//, "Picture"],
  [/^audio\//, "Sound"],
  [/^video\//, "Video"],
  [/pdf$/, "PDF"],
  [/zip|tar|compressed/, "Archive"],
  [/wordprocessing|opendocument\.text|msword/, "Document"],
  [/spreadsheet|ms-excel/, "Spreadsheet"],
  [/presentation|powerpoint/, "Presentation"],
  [/^text\//, "Text"],
];

/** What sort of thing it is. */
export function kindOf(type: string | undefined): string {
  return KINDS.find(([pattern]) => pattern.test(type ?? ""))?.[1] ?? "File";
}

/** Bytes, as people say them: in thousands. */
export function sizeOf(bytes: number, language?: string): string {
  const steps = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const step = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const value = bytes / 1000 ** step;
  const digits = step > 0 && value < 9.95 ? 1 : 0;
  return new Intl.NumberFormat(language, { style: "unit", unit: steps[step]!, unitDisplay: step ? "short" : "long", maximumFractionDigits: digits }).format(value);
}

/** A picture's place in the log, in CSS pixels; null for what is shown as a card. */
export function placeOf({ width, height }: Pick<GivenFile, "width" | "height">): { width: number; height: number } | null {
  if (!width || !height) return null;
  const scale = Math.min(1, WIDEST / width, HIGHEST / height);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** The preview whose pixels are enough for a place. */
export function previewFor(place: { width: number; height: number }, ratio: number): number {
  const wanted = Math.max(place.width, place.height) * ratio;
  return PREVIEWS.find((each) => each >= wanted) ?? PREVIEWS.at(-1)!;
}

/** About how high the files of a message are drawn, in CSS pixels. */
export function heightOf(files: readonly GivenFile[] | undefined): number {
  return (files ?? []).reduce((sum, file) => sum + (placeOf(file)?.height ?? 56) + 8, 0);
}

/** A message in one line: what it says, or else what it shows. */
export function gist({ content, files }: { content: string; files?: readonly GivenFile[] }): string {
  if (content.trim() || !files?.length) return content;
  const [file] = files;
  const first = `${kindOf(file!.media_type)}: ${file!.alt || file!.name || "without a name"}`;
  return files.length === 1 ? first : `${first}, and ${files.length - 1} more`;
}
