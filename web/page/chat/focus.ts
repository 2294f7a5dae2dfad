/** Where the focus goes when what has it is taken away. */

import { useLayoutEffect } from "preact/hooks";

/** It stays at the message when this element of it goes. */
export function useFocusStays(place: { current: HTMLElement | null }): void {
  useLayoutEffect(() => {
    const element = place.current!;
    return () => {
      if (element.contains(document.activeElement)) element.closest<HTMLElement>(".message")?.focus({ preventScroll: true });
    };
  }, []);
}
