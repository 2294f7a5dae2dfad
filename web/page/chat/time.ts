/** Times as people say them, in the browser's language. */

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const near = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const far = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export function hour(at: number): string {
  return clock.format(at);
}

export function precise(at: number): string {
  return exact.format(at);
}

/** A heading for a day: Today, Yesterday, Tuesday 3 March. */
export function day(at: number, now = Date.now()): string {
  const days = daysAgo(at, now);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return days < 300 ? near.format(at) : far.format(at);
}

/** For a list, as short as it can be: the hour today, the weekday this week, then the date. */
export function brief(at: number, now = Date.now()): string {
  const days = daysAgo(at, now);
  if (now - at < MINUTE && now >= at) return "now";
  if (days === 0) return hour(at);
  if (days === 1) return "Yesterday";
  return days < 7 ? weekday.format(at) : short.format(at);
}

function daysAgo(at: number, now: number): number {
  return Math.round((midnight(now) - midnight(at)) / DAY);
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}
