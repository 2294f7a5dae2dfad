/** The messages of a room: drawn where in sight, kept in place while more comes above, at the end while more comes below. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { amongMessages } from "./arrows.ts";
import { heightOf } from "./filewords.ts";
import { Icon } from "./icon.tsx";
import type { Place } from "./kept.ts";
import type { Room } from "./room.ts";
import { Drawn } from "./row.tsx";
import { day } from "./time.ts";
import type { Row } from "./timeline.ts";
import { useVirtual, type List } from "./virtual.ts";

const NEAR_END = 60; // pixels that still count as the end
const NEAR_TOP = 12; // rows: what is above is fetched before it is missed
const SETTLES = 6; // frames until the first rows have been measured: only then it is known what is near the top
const PINNED = 10; // frames, in which what came in above is drawn and measured: on a slow machine they take long
const PATIENCE = 300; // frames until a row that does not come to rest is let go
const STILL = 10; // frames without a movement: everything near has been measured
const STANDS_OUT = 2000; // milliseconds that a message is marked which was asked for
const ESTIMATE = { said: 64, notice: 36, day: 52, unread: 44 }; // pixels, until a row has been measured

export function Log({ room }: { room: Room }) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = room.rows.value;
  const [below, setBelow] = useState(0); // the last sequence that is not new to a reader who is further up; 0 at the end
  const read = useRef(false); // they have been at the end since they came
  const list = useVirtual({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => {
      const row = rows[index];
      return ESTIMATE[row?.kind ?? "said"] + (row?.kind === "said" ? heightOf(row.files) : 0);
    },
    getItemKey: (index) => rows[index]?.key ?? index,
    overscan: 6,
    anchorTo: "end",
    followOnAppend: true,
    scrollEndThreshold: NEAR_END,
    paddingStart: 16,
    paddingEnd: 12,
  });
  const last = room.events.value.at(-1)?.sequence_id ?? 0;
  const opened = useOpening(room, list, rows);
  const look = (): void => {
    const element = scroller.current;
    if (!element) return;
    room.atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END;
    if (room.atEnd) read.current = true;
    setBelow((before) => (room.atEnd ? 0 : before || (read.current ? last : (room.marker.after.value ?? last))));
    if (room.atEnd && !document.hidden) room.home.seen(room);
    room.moved();
  };
  useLayoutEffect(look, [last, list.getTotalSize(), rows.length]);
  useLayoutEffect(() => {
    const shown = (): void => void (document.hidden || look());
    document.addEventListener("visibilitychange", shown);
    return () => document.removeEventListener("visibilitychange", shown);
  });
  useStayAtEnd(room, scroller, list);
  useLayoutEffect(() => {
    const element = scroller.current!;
    room.watch(() => (room.atEnd ? null : inSight(element)));
    return () => room.watch(null);
  }, [room]);

  const unpin = usePin(room, scroller);
  const spoken = room.spoken.value;
  useLayoutEffect(() => {
    if (!spoken) return;
    unpin();
    list.scrollToEnd({ behavior: "auto" });
  }, [spoken]);

  useFound(room, list, rows, unpin);
  const letGo = (): void => {
    unpin();
    room.past.abandon();
  };

  const items = list.getVirtualItems();
  const first = items[0]?.index ?? 0;
  useLayoutEffect(() => {
    if (opened && first < NEAR_TOP && room.past.more.value && !room.past.failed.value) void room.past.older();
  }, [opened, first, rows.length, room.past.more.value, room.past.paging.value]);

  const above = rows[list.range?.startIndex ?? 0];
  const fresh = below ? rows.filter((row) => row.kind === "said" && !row.own && (row.sequence ?? 0) > below).length : 0;
  return (
    <div class="log-frame">
      <div
        ref={scroller}
        class="log"
        role="log"
        aria-live="off"
        aria-label={`Messages in ${room.title.value}`}
        aria-busy={room.past.paging.value}
        tabIndex={0}
        data-first={room.events.value[0]?.sequence_id ?? 0}
        data-last={last}
        data-rows={rows.length}
        onScroll={look}
        onWheel={letGo}
        onTouchMove={letGo}
        onPointerDown={letGo}
        onKeyDown={(event) => {
          letGo();
          amongMessages(event);
        }}
      >
        <div class="log-whole" style={{ height: `${list.getTotalSize()}px` }}>
          <div class="log-shown" style={{ transform: `translateY(${items[0]?.start ?? 0}px)` }}>
            {items.map((item) => {
              const row = rows[item.index];
              return (
                row && (
                  <div key={row.key} ref={list.measureElement} data-index={item.index} data-key={row.key} class="row">
                    <Drawn row={row} room={room} />
                  </div>
                )
              );
            })}
          </div>
        </div>
      </div>
      <div class="log-top" aria-hidden="true">
        {below > 0 && above && above.kind !== "unread" && above.kind !== "day" && <span class="day-chip">{day(above.at)}</span>}
        {room.past.paging.value && <span class="day-chip">Fetching what came before…</span>}
      </div>
      {room.past.failed.value && (
        <button type="button" class="pill top" onClick={() => void room.past.older()}>
          {room.past.failed.value} Try again
        </button>
      )}
      {below > 0 && (
        <button type="button" class="pill bottom" onClick={() => list.scrollToEnd({ behavior: "auto" })}>
          <Icon name="down" />
          {fresh ? `${fresh} new` : "To the end"}
        </button>
      )}
    </div>
  );
}

/** Where the reader begins: at what is new, else where they were, else at the end. Whether they are there. */
function useOpening(room: Room, list: List, rows: readonly Row[]): boolean {
  const [opened, setOpened] = useState(false);
  const placed = useRef(false);
  const marked = useRef(false);
  useLayoutEffect(() => {
    if (!rows.length || placed.current) return;
    placed.current = true;
    afterFrames(SETTLES, () => setOpened(true));
    const { place } = room.kept;
    const at = place ? rows.findIndex((row) => row.key === place.key) : -1;
    if (at < 0 || !place) return list.scrollToEnd({ behavior: "auto" });
    room.atEnd = false;
    list.scrollToIndex(at, { align: "start" });
    return hold(list, place);
  }, [rows.length > 0]);
  const divider = room.marker.after.value;
  useLayoutEffect(() => {
    if (divider === null || marked.current || !placed.current) return;
    marked.current = true;
    const at = rows.findIndex((row) => row.kind === "unread");
    if (at > 0 && room.atEnd) list.scrollToIndex(at - 1, { align: "start" });
  }, [divider, rows.length > 0]);
  return opened;
}

/** Frames, not time: a slow machine draws fewer of them. */
function afterFrames(count: number, then: () => void): void {
  requestAnimationFrame(() => (count > 1 ? afterFrames(count - 1, then) : then()));
}

/** A message that was asked for comes into sight with the focus on it, and stands out for a moment. */
function useFound(room: Room, list: List, rows: readonly Row[], unpin: () => void): void {
  const found = room.found.value;
  useLayoutEffect(() => {
    const at = found ? rows.findIndex((row) => "sequence" in row && row.sequence === found.sequence) : -1;
    const element = list.options.getScrollElement();
    if (at < 0 || !element) return;
    const key = rows[at]!.key;
    room.atEnd = false;
    unpin(); // what was paged in for it kept the reader where they were
    list.scrollToIndex(at, { align: "center" });
    const stop = hold(list, { key, offset: -Math.round(element.clientHeight / 3) }, () => {
      rowOf(element, key)?.querySelector<HTMLElement>(".message")?.focus({ preventScroll: true });
      const event = room.past.at(found!.sequence);
      if (event?.type === "message") room.home.speak(event.message);
    });
    const timer = setTimeout(() => (room.found.value = null), STANDS_OUT);
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [found]);
}

/** Keep a row there until those around it have been measured, then do the rest. The reader's own hand ends it. */
function hold(list: List, place: NonNullable<Place>, then = () => {}): () => void {
  const element = list.options.getScrollElement()!;
  const hand = new AbortController();
  let still = 0;
  let left = PATIENCE;
  let frame = 0;
  const stop = (): void => {
    cancelAnimationFrame(frame);
    hand.abort();
  };
  const step = (): void => {
    const off = offBy(element, place);
    const before = element.scrollTop;
    if (off !== null && Math.abs(off) > 1) element.scrollTop += off;
    // At either end it cannot be quite where it should.
    still = off !== null && Math.abs(element.scrollTop - before) <= 1 ? still + 1 : 0;
    if (still < STILL && left-- > 0) frame = requestAnimationFrame(step);
    else {
      stop();
      then();
    }
  };
  frame = requestAnimationFrame(step);
  for (const name of ["wheel", "pointerdown", "keydown"]) element.addEventListener(name, stop, { signal: hand.signal });
  return stop;
}

/** A frame that shrinks, for a keyboard or a longer draft, keeps its end in sight. */
function useStayAtEnd(room: Room, scroller: { current: HTMLElement | null }, list: List): void {
  useLayoutEffect(() => {
    const element = scroller.current!;
    const observer = new ResizeObserver(() => {
      if (room.atEnd) list.scrollToEnd({ behavior: "auto" });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [room]);
}

/**
 * What is in sight stays there when more comes in above: the list goes by estimates until the new rows have been measured, and
 * each of its corrections is rounded. What is returned ends it, when the reader scrolls.
 */
function usePin(room: Room, scroller: { current: HTMLElement | null }): () => void {
  const first = room.events.value[0]?.sequence_id ?? 0;
  const before = useRef(first);
  const pin = useRef<{ place: Place; counts: boolean } | null>(null);
  if (first < before.current && scroller.current) {
    // The page still is as it was: this is the last moment to look.
    pin.current = { place: inSight(scroller.current), counts: false };
  }
  before.current = first;
  useLayoutEffect(() => {
    const element = scroller.current;
    const now = pin.current;
    if (!element || !now?.place) return;
    if (!now.counts) afterFrames(PINNED, () => pin.current === now && (pin.current = null)); // from the first that has the new rows
    now.counts = true;
    const off = offBy(element, now.place);
    if (off !== null && Math.abs(off) > 0.5) element.scrollTop += off;
  });
  return () => (pin.current = null);
}

/** Pixels that a row is lower than it should be; null where it is not drawn. */
function offBy(element: HTMLElement, place: NonNullable<Place>): number | null {
  const row = rowOf(element, place.key);
  return row && row.getBoundingClientRect().top - element.getBoundingClientRect().top + place.offset;
}

/** The row as it is drawn; null where it is too far from what is in sight. */
function rowOf(element: HTMLElement, key: string): HTMLElement | null {
  return element.querySelector(`[data-key="${CSS.escape(key)}"]`);
}

/** The first row in sight, and how far it is scrolled past. */
function inSight(element: HTMLElement): Place {
  const { top } = element.getBoundingClientRect();
  for (const row of element.querySelectorAll<HTMLElement>(".row")) {
    const box = row.getBoundingClientRect();
    if (box.bottom > top) return { key: row.dataset["key"] ?? "", offset: Math.round(top - box.top) };
  }
  return null;
}
