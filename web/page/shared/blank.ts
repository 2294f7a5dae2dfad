/** What shows nothing, as the server judges it: it takes no such message. */

// White space, controls, marks without a base, and what has no shape though its class says that it has one.
const SEEN =
  /[^\p{Z}\p{M}\p{Cc}\p{Cf}\p{Cs}\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0-\ufff8\u{1d159}\u{e0000}-\u{e0fff}]/u;

/** Whether a text has nothing that can be seen. */
export function isBlank(text: string): boolean {
  return !SEEN.test(text);
}
