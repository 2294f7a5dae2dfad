/** Tells the operators of a message. */

import { useState } from "preact/hooks";
import { Asked, Reason } from "./asked.tsx";
import { gist } from "./filewords.ts";
import type { Room } from "./room.ts";
import type { Said } from "./timeline.ts";
import { plain } from "./timeline.ts";

const SHOWN = 200; // characters

export function Report({ row, room, close }: { row: Said; room: Room; close: () => void }) {
  const [reason, setReason] = useState("");
  const run = async (): Promise<void> => {
    await room.home.salon.report(room.id, row.id!, reason.trim());
    room.home.toast("The operators will see it.");
  };
  return (
    <Asked title={`Report what ${row.name} said?`} action="Report" danger run={run} close={close}>
      <blockquote class="reported" dir="auto">
        {plain(gist(row).slice(0, SHOWN))}
      </blockquote>
      <p>The operators of this server are told. Nobody in the conversation is.</p>
      <Reason value={reason} set={setReason} label="What is wrong with it?" required first />
    </Asked>
  );
}
