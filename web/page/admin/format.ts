/** Figures as people read them. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** A count, or a rate. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 100 || Number.isInteger(value) ? whole.format(value) : fine.format(value);
}

/** A count of something that has a name: 1 connection, 2 connections. */
export function counted(value: number, name: string): string {
  return `${count(value)} ${name}${value === 1 ? "" : "s"}`;
}

/** Short enough for an axis: 12k, 3.4M. */
export function short(value: number): string {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const) {
    if (Math.abs(value) >= size) return `${fine.format(value / size)}${unit}`;
  }
  return fine.format(value);
}

export function milliseconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "–";
  const value = seconds * 1000;
  if (value >= 1000) return `${fine.format(seconds)} s`;
  return value >= 100 ? `${whole.format(value)} ms` : `${fine.format(value)} ms`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  for (const [size, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]] as const) {
    if (value >= size) return `${fine.format(value / size)} ${unit}`;
  }
  return `${whole.format(value)} B`;
}

/** The same where the unit stands beside it. */
export function inMilliseconds(seconds: number | null | undefined): string {
  return seconds === null || seconds === undefined ? "–" : count(seconds * 1000);
}

/** How long: 12 s, 3 min, 5 h, 2 d. */
export function duration(seconds: number): string {
  const value = Math.max(0, seconds);
  if (value < 60) return `${Math.floor(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min`;
  if (value < 172_800) return `${Math.floor(value / 3600)} h`;
  return `${Math.floor(value / 86_400)} d`;
}

export function percent(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : `${fine.format(value * 100)} %`;
}

/** Whole seconds, at least one: something is about to happen. */
export function soon(seconds: number): string {
  return duration(Math.max(1, Math.ceil(seconds)));
}

/** What was spent; a number alone where nobody says of what. */
export function money(value: number | null | undefined, currency: string | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const small = value > 0 && value < 0.1;
  const digits = small ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 };
  if (!currency || !/^[A-Za-z]{3}$/.test(currency)) return value.toLocaleString("en", digits);
  return value.toLocaleString("en", { style: "currency", currency, ...digits });
}

/** A time of the day to the millisecond, as in the log. */
export function clock(iso: string): string {
  const date = new Date(iso);
  return `${date.toLocaleTimeString("en-GB")}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export function moment(iso: string): string {
  return new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}
