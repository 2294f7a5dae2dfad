/** Which rows of a long list are in sight: only those are in the page, whatever the list's length. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";

export const PAGE = 100; // rows that the feed sends at once: more than any screen shows
const STEP = 25; // rows by which that page moves, so that little scrolling asks for nothing
const SPARE = 6; // rows drawn above and below

export interface Sight {
  place: { current: HTMLDivElement | null };
  height: number;
  first: number;
  last: number;
  scrolled: () => void;
  reveal: (row: number) => void;
}

/** `count` rows of one height, which the custom property --row-height of the element gives. */
export function useSight(count: number): Sight {
  const place = useRef<HTMLDivElement>(null);
  const [{ top, room, height }, measure] = useState({ top: 0, room: 600, height: 36 });
  const look = (): void => {
    const element = place.current;
    if (element === null) return;
    const height = parseFloat(getComputedStyle(element).getPropertyValue("--row-height")) * rem();
    measure((before) => {
      const now = { top: element.scrollTop, room: element.clientHeight, height };
      return before.top === now.top && before.room === now.room && before.height === now.height ? before : now;
    });
  };
  useLayoutEffect(() => {
    look();
    const observer = new ResizeObserver(look);
    observer.observe(place.current!);
    return () => observer.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(top / height) - SPARE);
  const last = Math.min(count - 1, Math.ceil((top + room) / height) + SPARE);
  const reveal = (row: number): void => {
    const element = place.current;
    if (element === null) return;
    const head = height; // the header row stays on top
    if (row * height < element.scrollTop) element.scrollTop = row * height;
    else if ((row + 1) * height + head > element.scrollTop + room) element.scrollTop = (row + 1) * height + head - room;
  };
  return { place, height, first, last, scrolled: look, reveal };
}

/** Where the page of rows begins that has these in it. */
export function pageStart(first: number): number {
  return Math.max(0, Math.floor(first / STEP) * STEP - STEP);
}

function rem(): number {
  return parseFloat(getComputedStyle(document.documentElement).fontSize);
}
