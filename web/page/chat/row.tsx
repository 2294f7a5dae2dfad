/** One row of the log. */

import { MessageRow } from "./message.tsx";
import type { Room } from "./room.ts";
import { day, precise } from "./time.ts";
import type { Row } from "./timeline.ts";

export function Drawn({ row, room }: { row: Row; room: Room }) {
  switch (row.kind) {
    case "said":
      return <MessageRow row={row} room={room} />;
    case "notice":
      return (
        <p class="notice" title={precise(row.at)}>
          {row.text.map((part) => (typeof part === "string" ? part : <bdi>{part.name}</bdi>))}
        </p>
      );
    case "day":
      return (
        <h3 class="day">
          <span>{day(row.at)}</span>
        </h3>
      );
    case "unread":
      return (
        <p class="unread-mark" role="separator" aria-label="New since you were last here">
          <span>New</span>
        </p>
      );
  }
}
