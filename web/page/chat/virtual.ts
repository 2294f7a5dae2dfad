/** Lets @tanstack/virtual-core draw a list of rows of any height: only those in sight are in the page. */

import {
  Virtualizer,
  elementScroll,
  observeElementOffset,
  observeElementRect,
  type PartialKeys,
  type VirtualizerOptions,
} from "@tanstack/virtual-core";
import { useLayoutEffect, useReducer, useState } from "preact/hooks";

type Options = PartialKeys<
  VirtualizerOptions<HTMLElement, HTMLElement>,
  "observeElementRect" | "observeElementOffset" | "scrollToFn"
>;

/** To the fraction of a pixel: rounded, a screen of rows would be some pixels off. */
function measureElement(row: HTMLElement, entry: ResizeObserverEntry | undefined): number {
  return entry?.borderBoxSize?.[0]?.blockSize ?? row.getBoundingClientRect().height;
}

export type List = Virtualizer<HTMLElement, HTMLElement>;

export function useVirtual(options: Options): List {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const whole = {
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    measureElement,
    ...options,
    onChange: (list: List, sync: boolean): void => {
      redraw(undefined);
      options.onChange?.(list, sync);
    },
  };
  const [list] = useState(() => new Virtualizer<HTMLElement, HTMLElement>(whole));
  list.setOptions(whole);
  useLayoutEffect(() => list._didMount(), [list]);
  useLayoutEffect(() => list._willUpdate());
  return list;
}
