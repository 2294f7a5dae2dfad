/** Rows in the order of one of their values. Plain functions, no page. */

export type Value = string | number | null | undefined;

/** What a press on a heading sorts by: the same the other way round, or this one. */
export function nextOrder(order: string, name: string, figure = false): string {
  if (order.replace("-", "") !== name) return `${figure ? "-" : ""}${name}`;
  return order.startsWith("-") ? name : `-${name}`;
}

/** Those without a value are last, whatever the direction. */
export function sorted<Row>(rows: readonly Row[], value: (row: Row) => Value, down: boolean): readonly Row[] {
  return [...rows].sort((one, other) => {
    const [a, b] = [value(one) ?? null, value(other) ?? null];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    const ahead = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return down ? -ahead : ahead;
  });
}
