/** Where one writes: a draft that is kept, Enter to send, an honest count where a message grows too long. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isBlank } from "../shared/blank.ts";
import { Icon } from "./icon.tsx";
import { named } from "./mention.ts";
import { listed } from "./notice.ts";
import { People, usePicker } from "./picker.tsx";
import type { Room } from "./room.ts";
import { toast } from "./toast.ts";
import { plain } from "./timeline.ts";
import { said } from "./words.ts";

const TELL_EVERY = 3000; // milliseconds between two words that one is typing
const PAUSE = 4000; // milliseconds without a key end it
const COMPOSING = 229; // what Safari gives for the Enter that ends a composition
const COUNT_FROM = 0.9; // of the longest: from there on the count is shown

export function Composer({ room }: { room: Room }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => room.kept.draft);
  const typing = useTyping(room);
  const length = [...text].length;
  const tooMany = room.longest ? length - room.longest : 0;
  const reply = room.replyTo.value;

  const picked = useRef(new Map<string, string>()); // id -> name
  const caret = useRef<number | null>(null); // where it goes once the text is drawn

  const write = (next: string): void => {
    setText(next);
    room.kept.draft = next;
  };
  const picker = usePicker(room, field, (next, at, who) => {
    picked.current.set(who.participantId, who.displayName);
    caret.current = at;
    write(next);
  });
  const send = (): void => {
    if (isBlank(text) || tooMany > 0) return;
    try {
      room.send(text, named(text, picked.current));
    } catch (error) {
      return toast(said(error));
    }
    write("");
    picked.current.clear();
    picker.look("", null);
    typing.stop();
    field.current?.focus();
  };
  useLayoutEffect(() => {
    const element = field.current!;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
    if (caret.current !== null) element.setSelectionRange(caret.current, caret.current);
    caret.current = null;
  }, [text]);
  useLayoutEffect(() => {
    if (reply || matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, [room.id, reply]);

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <p class="typing" aria-live="polite">
        {room.typists.value.length > 0 && (
          <>
            <span class="typing-dots" aria-hidden="true">
              <i />
              <i />
              <i />
            </span>
            <span>
              <bdi>{listed(room.typists.value)}</bdi> {room.typists.value.length > 1 ? "are" : "is"} typing
            </span>
          </>
        )}
      </p>
      {reply && (
        <div class="replying">
          <Icon name="reply" />
          <p dir="auto">
            To <b>{reply.name}</b>: {plain(reply.content.slice(0, 160))}
          </p>
          <button type="button" class="tool" aria-label="Do not reply" onClick={() => (room.replyTo.value = null)}>
            <Icon name="close" />
          </button>
        </div>
      )}
      <People picker={picker} />
      <div class="composer-row">
        <textarea
          ref={field}
          class="composer-field"
          rows={1}
          dir="auto"
          value={text}
          placeholder={room.state.value.status === "offline" ? "Write now, it is sent later" : "Write a message"}
          aria-label="Message"
          aria-describedby={tooMany > 0 ? "too-long" : undefined}
          aria-invalid={tooMany > 0}
          enterkeyhint="send"
          {...picker.field}
          onInput={(event) => {
            write(event.currentTarget.value);
            picker.look(event.currentTarget.value, event.currentTarget.selectionEnd);
            if (isBlank(event.currentTarget.value)) typing.stop();
            else typing.go();
          }}
          onBlur={() => {
            picker.look("", null);
            typing.stop();
          }}
          onKeyDown={(event) => {
            if (picker.key(event)) return;
            if (event.key === "Escape" && reply) room.replyTo.value = null;
            if (!entered(event)) return;
            event.preventDefault();
            send();
          }}
        />
        <button type="submit" class="send" aria-label="Send" disabled={isBlank(text) || tooMany > 0}>
          <Icon name="send" />
        </button>
      </div>
      {room.longest > 0 && length > room.longest * COUNT_FROM && (
        <p id="too-long" class={tooMany > 0 ? "count over" : "count"} role="status">
          {tooMany > 0 ? `${tooMany} characters too many` : `${room.longest - length} characters left`}
        </p>
      )}
    </form>
  );
}

/** Where the next word goes, once a dialog has given the focus back. */
export function focusComposer(): void {
  setTimeout(() => document.querySelector<HTMLElement>(".composer-field")?.focus());
}

/** Enter sends where there is a keyboard; on a touch screen it is a new line, and the button sends. */
function entered(event: KeyboardEvent): boolean {
  if (event.key !== "Enter" || event.isComposing || event.keyCode === COMPOSING || event.shiftKey) return false;
  return event.ctrlKey || event.metaKey || matchMedia("(pointer: fine)").matches;
}

function useTyping(room: Room): { go: () => void; stop: () => void } {
  const told = useRef(0);
  const pause = useRef(0);
  const stop = (): void => {
    clearTimeout(pause.current);
    if (told.current) room.typing(false);
    told.current = 0;
  };
  const go = (): void => {
    clearTimeout(pause.current);
    pause.current = window.setTimeout(stop, PAUSE);
    if (Date.now() - told.current < TELL_EVERY) return;
    told.current = Date.now();
    room.typing(true);
  };
  useEffect(() => stop, []); // who goes elsewhere types here no more
  return { go, stop };
}
