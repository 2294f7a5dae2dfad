/** Something small over the page, beside the button that it came from; the browser closes it on Escape and on a click elsewhere. */

import type { ComponentChildren, TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { focused } from "./focus.ts";

const GAP = 4; // pixels to the button, and to the edge of the window

interface Props {
  /** The button. */
  from: HTMLElement;
  role: "menu" | "dialog";
  label: string;
  close: () => void;
  onKeyDown?: (event: TargetedKeyboardEvent<HTMLDivElement>) => void;
  children: ComponentChildren;
}

export function Popover({ from, role, label, close, onKeyDown, children }: Props) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = place.current!;
    element.showPopover();
    put(element, from.getBoundingClientRect());
    element.querySelector<HTMLElement>("[data-first], button, input")?.focus({ preventScroll: true });
    const closed = (event: Event): void => void ((event as ToggleEvent).newState === "closed" && close());
    element.addEventListener("toggle", closed);
    return () => {
      element.removeEventListener("toggle", closed);
      if (element.contains(focused(element))) from.focus({ preventScroll: true });
    };
  }, []);
  const keys = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    onKeyDown?.(event);
    event.stopPropagation(); // what it lies over has keys of its own
  };
  return (
    <div ref={place} popover="auto" class="popover" role={role} aria-label={label} onKeyDown={keys}>
      {children}
    </div>
  );
}

/** Below the button where there is room, else above it, and within the window. */
function put(element: HTMLElement, { left, right, top, bottom }: DOMRect): void {
  const { offsetWidth: width, offsetHeight: height } = element;
  const start = document.documentElement.dir === "rtl" ? right - width : left;
  const x = Math.max(GAP, Math.min(start, innerWidth - width - GAP));
  const below = bottom + GAP;
  const y = below + height <= innerHeight ? below : Math.max(GAP, top - GAP - height);
  element.style.inset = `${y}px auto auto ${x}px`;
}
