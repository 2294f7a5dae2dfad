/** Where the focus goes when what has it is taken away. */

import { useLayoutEffect } from "preact/hooks";

/** What has the focus in the document or shadow root of this. */
export function focused(near: Element): Element | null {
  return (near.getRootNode() as Document | ShadowRoot).activeElement ?? null;
}

/** It stays at the message when this element of it goes. */
export function useFocusStays(place: { current: HTMLElement | null }): void {
  useLayoutEffect(() => {
    const element = place.current!;
    return () => {
      if (element.contains(focused(element))) element.closest<HTMLElement>(".message")?.focus({ preventScroll: true });
    };
  }, []);
}
