/** The bytes of a file for whoever is here: by its address where the session cookie goes along, else fetched with the token. */

import { useEffect, useState } from "preact/hooks";
import type { Salon } from "../sdk/salon.ts";

/** Where `<img>` finds a preview; undefined until it is fetched. `broken` is called where it cannot be had. */
export function usePreview(salon: Salon, conversation: string, file: string, size: number, broken = (): void => {}): string | undefined {
  const [made, setMade] = useState<string>();
  const byToken = salon.token !== undefined;
  useEffect(() => {
    if (!byToken) return;
    const end = new AbortController();
    let address: string | undefined;
    salon.download(conversation, file, { preview: size, signal: end.signal }).then(
      (blob) => setMade((address = URL.createObjectURL(blob))),
      () => end.signal.aborted || broken(),
    );
    return () => {
      end.abort();
      if (address !== undefined) URL.revokeObjectURL(address);
    };
  }, [salon, byToken, conversation, file, size]);
  return byToken ? made : salon.previewUrl(conversation, file, size);
}

/** Saves a file under this name. Throws `Refused`. */
export async function save(salon: Salon, conversation: string, file: string, name: string): Promise<void> {
  const address = URL.createObjectURL(await salon.download(conversation, file));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), SAVED);
}

const SAVED = 60_000; // milliseconds in which a browser has begun to save it
