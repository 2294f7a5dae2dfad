/** What a component watches for as long as it is there. */

import { useEffect, useRef } from "preact/hooks";
import { unwatch, view, watch } from "./figures.ts";

/** `view` is null until it is there; while `held`, it stays as it was. Another query keeps the old view until its own has come. */
export function useView<View>(query: string, held = false): { view: View | null; query: string } {
  useEffect(() => watch(query), [query]);
  const last = useRef(query);
  last.current = query;
  useEffect(() => () => unwatch(last.current), []);
  const own = useRef(new Set<string>()); // what is there may still be another place's
  own.current.add(query);
  const kept = useRef<typeof view.value>(null);
  const shown = view.value;
  if (!held && shown !== null && own.current.has(shown.query)) kept.current = shown;
  return { view: (kept.current?.view ?? null) as View | null, query: kept.current?.query ?? "" };
}
