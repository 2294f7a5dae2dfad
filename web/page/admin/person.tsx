/** The way to a person from wherever they are named. */

import { address } from "./route.ts";

export function Person({ id }: { id: string }) {
  return <a href={address("participant", id)}><bdi>{id}</bdi></a>;
}
