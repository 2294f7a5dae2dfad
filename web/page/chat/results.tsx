/** What an answer points to: its sources, what it has found; the first few, and the others when they are asked for. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Result } from "../sdk/types.ts";

const FOLDED = 4; // of more than that, only these are shown at first

/** Those that were unfolded: a row is drawn anew each time that it comes into sight, and must be as high as it was. */
const unfolded = new WeakSet<readonly Result[]>();

export function Results({ results, name }: { results: readonly Result[]; name: string }) {
  const list = useRef<HTMLUListElement>(null);
  const [all, show] = useState(unfolded.has(results));
  const [asked, setAsked] = useState(false);
  const shown = all ? results : results.slice(0, FOLDED);
  useLayoutEffect(() => {
    // The button is gone: the focus goes to the first of what it has brought.
    if (asked) list.current?.children[FOLDED]?.querySelector<HTMLElement>("a, span")?.focus();
  }, [asked]);
  const unfold = (): void => {
    unfolded.add(results);
    show(true);
    setAsked(true);
  };
  return (
    <div class="results">
      <ul ref={list} aria-label={`What ${name} points to`}>
        {shown.map((result, at) => (
          <Card key={at} result={result} />
        ))}
      </ul>
      {!all && results.length > FOLDED && (
        <button type="button" class="link" onClick={unfold}>
          All {results.length} results
        </button>
      )}
    </div>
  );
}

function Card({ result: { url, name, site, description } }: { result: Result }) {
  const address = addressOf(url);
  return (
    <li class="result">
      {address === null ? (
        <span tabIndex={-1} dir="auto">
          {name}
        </span>
      ) : (
        <a href={address.href} target="_blank" rel="noopener noreferrer nofollow" title={address.href} dir="auto">
          {name}
        </a>
      )}
      {(site || address) && <bdi class="result-site">{site || address!.hostname}</bdi>}
      {description && (
        <p class="result-text" dir="auto">
          {description}
        </p>
      )}
    </li>
  );
}

/** Null for what a browser must not be led to; the server takes none of it, but an agent wrote it. */
function addressOf(url: string): URL | null {
  try {
    const address = new URL(url);
    return address.protocol === "https:" || address.protocol === "http:" ? address : null;
  } catch {
    return null;
  }
}
