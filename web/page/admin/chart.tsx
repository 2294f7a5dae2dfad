/** Charts of the last minutes, drawn as SVG: one scale, a few lines, a crosshair that all of them share. */

import { computed, signal } from "@preact/signals";
import { times } from "./figures.ts";
import { short } from "./format.ts";

export interface Line {
  name: string;
  values: (number | null)[];
  style: "first" | "second" | "third";
}

export interface Plot {
  title: string;
  /** What the figures mean, for those who ask. */
  hint: string;
  lines: Line[];
  text: (value: number | null | undefined) => string;
  axis?: (value: number) => string;
  /** Where the scale ends at least. */
  least?: number;
}

const WIDTH = 400;
const HEIGHT = 96;
const GAP = 2600; // milliseconds between two samples, beyond which the line is broken

export const RANGES = [1, 5, 10];
const chosen = signal<number | null>(null); // until then: the shortest that has everything
export const minutes = computed(() => {
  const known = ((times.value.at(-1) ?? 0) - (times.value[0] ?? 0)) / 60_000;
  return chosen.value ?? RANGES.find((each) => each >= known) ?? 10;
});

export function choose(range: number): void {
  chosen.value = range;
}

const pointed = signal<number | null>(null); // the place of the crosshair, from 0 to 1

const range = computed(() => {
  const last = times.value.at(-1) ?? Date.now();
  return { from: last - minutes.value * 60_000, to: last };
});

export function Chart({ title, hint, lines, text, axis = short, least = 0 }: Plot) {
  const at = times.value;
  const { from, to } = range.value;
  const first = firstAfter(at, from);
  const top = scale(Math.max(least, ...lines.map((line) => highest(line.values, first))));
  const index = pointed.value === null ? at.length - 1 : nearest(at, from + pointed.value * (to - from), first);
  const x = at[index] === undefined ? null : ((at[index] - from) / (to - from)) * WIDTH;
  return (
    <figure class="chart" title={hint}>
      <figcaption>
        <h3>{title}</h3>
        <p class="values">
          {lines.map((line) => (
            <span key={line.name} class={`value ${line.style}`}>
              {lines.length > 1 && <span class="soft"><i aria-hidden="true" />{line.name} </span>}
              <b>{text(line.values[index])}</b>
            </span>
          ))}
        </p>
      </figcaption>
      <div class="plot">
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${title}, the last ${minutes.value} minutes: now ${lines.map((line) => `${line.name} ${text(line.values.at(-1))}`).join(", ")}; the scale ends at ${axis(top)}`}
          onPointerMove={(event) => point(event)}
          onPointerLeave={() => (pointed.value = null)}
        >
          <path class="rule" d={`M0 ${HEIGHT / 2}H${WIDTH}M0 .5H${WIDTH}`} />
          <path class="base" d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} />
          {lines.map((line, number) => {
            const d = path(at, line.values, first, from, to, top);
            return (
              <g key={line.name} class={line.style}>
                {number === 0 && lines.length === 1 && <path class="area" d={area(d)} />}
                <path class="line" d={d} />
              </g>
            );
          })}
          {pointed.value !== null && x !== null && <path class="cross" d={`M${x} 0V${HEIGHT}`} />}
        </svg>
        <span class="tick top" aria-hidden="true">{axis(top)}</span>
        <span class="tick middle" aria-hidden="true">{axis(top / 2)}</span>
      </div>
      <p class="axis" aria-hidden="true">
        <span>{minutes.value} min ago</span>
        <span>{pointed.value !== null && at[index] !== undefined ? new Date(at[index]).toLocaleTimeString("en-GB") : ""}</span>
        <span>now</span>
      </p>
    </figure>
  );
}

function point(event: PointerEvent): void {
  const box = (event.currentTarget as SVGElement).getBoundingClientRect();
  pointed.value = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
}

function path(at: number[], values: (number | null)[], first: number, from: number, to: number, top: number): string {
  let d = "";
  let before: number | null = null;
  for (let index = first; index < at.length; index++) {
    const value = values[index] ?? null;
    const time = at[index]!;
    if (value === null) {
      before = null;
      continue;
    }
    const joined = before !== null && time - before < GAP;
    const x = (((time - from) / (to - from)) * WIDTH).toFixed(1);
    const y = (HEIGHT - 1 - (Math.min(value, top) / top) * (HEIGHT - 2)).toFixed(1);
    // A lone value would be no line at all: it becomes a dash.
    d += joined ? `L${x} ${y}` : `M${x} ${y}h.7`;
    before = time;
  }
  return d;
}

/** The space under a line, piece by piece. */
function area(d: string): string {
  return d
    .split("M")
    .filter(Boolean)
    .map((piece) => {
      const points = piece.replace("h.7", "").split("L");
      const [start, end] = [points[0]!.split(" ")[0], points.at(-1)!.split(" ")[0]];
      return `M${start} ${HEIGHT}L${points.join("L")}L${end} ${HEIGHT}Z`;
    })
    .join("");
}

function highest(values: (number | null)[], first: number): number {
  let found = 0;
  for (let index = first; index < values.length; index++) found = Math.max(found, values[index] ?? 0);
  return found;
}

/** The next of 1, 2, 5, 10, 20 … that is no less. */
function scale(value: number): number {
  if (value <= 0) return 1;
  const size = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((each) => each * size >= value * 0.999) ?? 10;
  return step * size;
}

function firstAfter(at: number[], time: number): number {
  const found = at.findIndex((each) => each >= time);
  return found < 0 ? at.length : found;
}

function nearest(at: number[], time: number, first: number): number {
  let best = Math.min(first, at.length - 1);
  for (let index = first; index < at.length; index++) {
    if (Math.abs(at[index]! - time) < Math.abs(at[best]! - time)) best = index;
  }
  return best;
}
