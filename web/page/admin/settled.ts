/** What somebody has typed, once they pause. */

import { useEffect, useState } from "preact/hooks";

const QUIET = 150; // milliseconds after the last key of a filter

export function useSettled(text: string): string {
  const [settled, settle] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => settle(text), QUIET);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
