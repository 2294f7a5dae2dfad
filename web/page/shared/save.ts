/** Saves what the server answers as a file. A link would do where a cookie says who asks; a token does not go along with one. */

import type { Salon } from "../sdk/salon.ts";
import { answered, unreachable } from "../sdk/answered.ts";

/** Throws `Refused`: also where the answer ends before it is whole, and then nothing is saved. */
export async function save(salon: Salon, path: string, name: string): Promise<void> {
  const file = await fetched(salon, path);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function fetched({ url, token }: Salon, path: string): Promise<Blob> {
  let response: Response;
  try {
    response = await fetch(url + path, { headers: token ? { Authorization: `Bearer ${token}` } : {}, credentials: "same-origin" });
    if (response.ok) return await response.blob();
  } catch {
    throw unreachable();
  }
  return answered(response.status, await response.text(), response.headers.get("Retry-After"));
}
