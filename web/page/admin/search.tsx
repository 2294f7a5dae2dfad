/** Finding anything: by a part of an id, a title or a name; a refusal by its whole id. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { reason, salon } from "./operator.ts";
import { go } from "./route.ts";

interface Hit {
  kind: "conversation" | "participant" | "connection" | "refusal";
  id: string;
  label: string;
  active: boolean;
}

const PAUSE = 200; // milliseconds after the last key

export function Search() {
  const field = useRef<HTMLInputElement>(null);
  const [asked, setAsked] = useState("");
  const [hits, setHits] = useState<Hit[] | null>(null);
  const [found, setFound] = useState(false);
  const [failure, setFailure] = useState("");
  const [at, setAt] = useState(0);
  useSlash(field);
  useEffect(() => {
    const text = asked.trim();
    setHits(null);
    setFailure("");
    if (!text) return;
    let stale = false;
    const timer = setTimeout(async () => {
      try {
        const found = await salon.request<{ hits: Hit[] }>("GET", `/admin/search?${new URLSearchParams({ q: text })}`);
        if (stale) return;
        setFound(found.hits.length > 0);
        // Who has never been here may have a token, or be blocked: the text may be the id of a person.
        const person: Hit = { kind: "participant", id: text, label: "", active: false };
        setHits(found.hits.length || /\s/.test(text) ? found.hits : [person]);
        setAt(0);
      } catch (error) {
        if (!stale) setFailure(reason(error));
      }
    }, PAUSE);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [asked]);
  const open = (hit: Hit): void => {
    setAsked("");
    field.current?.blur();
    go(hit.kind, hit.id);
  };
  const keys = (event: KeyboardEvent): void => {
    const last = (hits?.length ?? 0) - 1;
    if (event.key === "Escape") setAsked("");
    else if (event.key === "ArrowDown") setAt(Math.min(last, at + 1));
    else if (event.key === "ArrowUp") setAt(Math.max(0, at - 1));
    else if (event.key === "Enter" && hits?.[at]) open(hits[at]);
    else return;
    event.preventDefault();
  };
  const shown = asked.trim() !== "" && (hits !== null || failure !== "");
  return (
    <div class="search" role="search">
      <input
        ref={field}
        class="field"
        type="search"
        placeholder="Find an id, title, name, refusal"
        aria-label="Find an id, a title, a name or a refusal; press / to come here"
        role="combobox"
        list={undefined}
        aria-expanded={shown}
        aria-controls="hits"
        aria-activedescendant={shown && hits?.[at] ? `hit-${at}` : undefined}
        autocomplete="off"
        spellcheck={false}
        maxLength={255}
        value={asked}
        onInput={(event) => setAsked(event.currentTarget.value)}
        onKeyDown={keys}
      />
      <kbd aria-hidden="true">/</kbd>
      {shown && (
        <div class="hits" id="hits" role="listbox" aria-label="What was found">
          {failure && <p class="failure">{failure}</p>}
          {hits !== null && !found && <p class="soft" role="option" aria-disabled="true" aria-selected="false">Nothing in memory has this. A refusal needs its whole id.</p>}
          {hits?.map((hit, index) => (
            <button
              key={`${hit.kind} ${hit.id}`}
              type="button"
              id={`hit-${index}`}
              role="option"
              aria-selected={index === at}
              tabIndex={-1}
              onClick={() => open(hit)}
            >
              <span class="kind">{hit.kind}</span>
              <bdi class="label">{hit.label || hit.id}</bdi>
              <span class="mono soft">{hit.label && hit.label !== hit.id ? hit.id : ""}{hit.active ? "" : " · not in memory"}</span>
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/** The slash key leads to the field from the first moment that it is shown: an effect after the paint would miss a quick hand. */
function useSlash(field: { current: HTMLInputElement | null }): void {
  useLayoutEffect(() => {
    const keys = (event: KeyboardEvent): void => {
      const target = event.target as HTMLElement;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || target.closest("input, textarea, select, dialog")) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, [field]);
}
