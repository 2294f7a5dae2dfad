/** A view of the feed for as long as a component is there. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Feed, viewer } from "./feed.ts";

/** `view` is null until it is there; while `held`, it stays as it was. Another query keeps the old view until its own has come. */
export function useView<View>(query: string, held = false): { view: View | null; query: string } {
  const [shown, show] = useState<{ view: View; query: string } | null>(null);
  const feed = useRef<Feed | null>(null);
  const asked = useRef(query); // by the feed, which is told after the page has been drawn
  useEffect(() => {
    feed.current = new Feed(
      asked.current,
      viewer((view) => show({ view: view as View, query: asked.current })),
    );
    return () => feed.current?.close();
  }, []);
  useEffect(() => {
    asked.current = query;
    feed.current?.follow(query);
  }, [query]);
  const frozen = useRef(shown);
  if (!held) frozen.current = shown;
  return { view: frozen.current?.view ?? null, query: frozen.current?.query ?? "" };
}
