/** The open conversation's title, which whoever may rename it can change where it stands. */

import { useEffect, useRef, useState } from "preact/hooks";
import { Failure } from "../shared/failure.tsx";
import { Icon } from "./icon.tsx";
import { may } from "./rank.ts";
import type { Room } from "./room.ts";
import { said } from "./words.ts";

export function Title({ room, title }: { room: Room; title: string }) {
  const [editing, setEditing] = useState(false);
  const pen = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setEditing(false);
    requestAnimationFrame(() => pen.current?.focus());
  };
  useEffect(() => setEditing(false), [room.id]);
  if (editing) return <Form room={room} title={title} close={close} />;
  return (
    <div class="room-title">
      <h1 dir="auto">{title || "…"}</h1>
      {may("rename", room.standing.value) && room.state.value.status === "live" && (
        <button ref={pen} type="button" class="tool" aria-label="Rename this conversation" title="Rename" onClick={() => setEditing(true)}>
          <Icon name="pen" />
        </button>
      )}
    </div>
  );
}

function Form({ room, title, close }: { room: Room; title: string; close: () => void }) {
  const [text, setText] = useState(title);
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.select(), []);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (text.trim() === title) return close();
    setBusy(true);
    try {
      await room.home.rename(room, text.trim());
      close();
    } catch (error) {
      setFailure(said(error));
      setBusy(false);
    }
  };
  return (
    <form class="room-title" onSubmit={(event) => void save(event)} onKeyDown={(event) => event.key === "Escape" && close()}>
      <h1 class="visually-hidden">{title}</h1>
      <input
        ref={field}
        class="field"
        aria-label="Title"
        required
        maxLength={200}
        dir="auto"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="button primary" disabled={busy || !text.trim()}>
        Save
      </button>
      <button type="button" class="button" onClick={close}>
        Cancel
      </button>
      <Failure text={failure} />
    </form>
  );
}
