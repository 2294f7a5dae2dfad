/** Where one writes: a draft that is kept, Enter to send, an honest count where a message grows too long. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isBlank } from "../shared/blank.ts";
import { Icon } from "./icon.tsx";
import { named } from "./mention.ts";
import { listed } from "./notice.ts";
import { People, usePicker } from "./picker.tsx";
import type { Room } from "./room.ts";
import { plain } from "./timeline.ts";
import { add, Choose, pasted, Tray } from "./uploads.tsx";
import { said } from "./words.ts";

const TELL_EVERY = 3000; // milliseconds between two words that one is typing
const PAUSE = 4000; // milliseconds without a key end it
const COMPOSING = 229; // what Safari gives for the Enter that ends a composition
const COUNT_FROM = 0.9; // of the longest: from there on the count is shown

/** For the main log, or for a thread. */
export function Composer({ room, thread }: { room: Room; thread?: string }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => (thread === undefined ? room.kept.draft : room.kept.answer(thread)));
  const [inLog, setInLog] = useState(false);
  const typing = useTyping(room);
  const uploads = thread === undefined ? room.uploads : room.thread.value?.uploads;
  const length = [...text].length;
  const tooMany = room.longest ? length - room.longest : 0;
  const reply = thread === undefined ? room.replyTo.value : null;
  const editing = thread === undefined ? room.deeds.editing.value : null;

  const picked = useRef(new Map<string, string>()); // id -> name
  const caret = useRef<number | null>(null); // where it goes once the text is drawn

  const write = (next: string): void => {
    setText(next);
    if (thread !== undefined) room.kept.keepAnswer(thread, next);
    else if (editing === null) room.kept.draft = next;
  };
  const picker = usePicker(room, field, (next, at, who) => {
    picked.current.set(who.participantId, who.displayName);
    caret.current = at;
    write(next);
  });
  const files = editing ? [] : (uploads?.items.value ?? []);
  const sendable = (!isBlank(text) || files.length > 0) && tooMany <= 0 && (editing !== null || (uploads?.ready.value ?? true));
  const send = (): void => {
    if (!sendable) return;
    const mentions = named(text, picked.current);
    try {
      if (editing) room.deeds.save(editing, text, mentions);
      else if (thread !== undefined) room.answer(thread, text, mentions, inLog);
      else room.send(text, mentions);
    } catch (error) {
      return room.home.toast(said(error));
    }
    if (!editing) write(""); // else the draft comes back
    setInLog(false);
    picked.current.clear();
    picker.look("", null);
    typing.stop();
    field.current?.focus();
  };
  const edited = useRef<string | null>(null);
  useLayoutEffect(() => {
    const before = edited.current;
    edited.current = editing?.id ?? null;
    if (before === edited.current) return;
    const next = editing?.content ?? room.kept.draft;
    caret.current = next.length;
    setText(next);
    field.current!.focus();
  }, [editing]);
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
  const editLast = (event: KeyboardEvent): void => {
    const last = room.rows.value.findLast((row) => row.kind === "said" && row.own && !row.gone && row.outgoing?.state !== "refused");
    if (last?.kind !== "said") return;
    event.preventDefault();
    room.deeds.edit(last);
  };

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
      {editing && (
        <div class="replying">
          <Icon name="pen" />
          <p>Editing your message</p>
          <button type="button" class="tool" aria-label="Do not edit" onClick={() => (room.deeds.editing.value = null)}>
            <Icon name="close" />
          </button>
        </div>
      )}
      {reply && !editing && (
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
      {uploads && !editing && <Tray uploads={uploads} conversation={room.id} />}
      <div class="composer-row">
        {uploads && !editing && <Choose uploads={uploads} />}
        <textarea
          ref={field}
          class="composer-field"
          rows={1}
          dir="auto"
          value={text}
          placeholder={room.state.value.status === "offline" ? "Write now, it is sent later" : thread === undefined ? "Write a message" : "Answer in the thread"}
          aria-label={thread === undefined ? "Message" : "Answer in the thread"}
          aria-describedby={tooMany > 0 ? "too-long" : undefined}
          aria-invalid={tooMany > 0}
          enterkeyhint="send"
          {...picker.field}
          onInput={(event) => {
            write(event.currentTarget.value);
            picker.look(event.currentTarget.value, event.currentTarget.selectionEnd);
            if (isBlank(event.currentTarget.value)) typing.stop();
            else if (!editing && thread === undefined) typing.go();
          }}
          onPaste={(event) => {
            const found = editing ? [] : pasted(event);
            if (found.length && uploads) add(uploads, found);
          }}
          onBlur={() => {
            picker.look("", null);
            typing.stop();
          }}
          onKeyDown={(event) => {
            if (picker.key(event)) return;
            if (event.key === "ArrowUp" && text === "" && !editing && thread === undefined && !modified(event)) return editLast(event);
            if (event.key === "Escape" && editing) {
              event.preventDefault();
              room.deeds.editing.value = null;
            } else if (event.key === "Escape" && reply) room.replyTo.value = null;
            if (!entered(event)) return;
            event.preventDefault();
            send();
          }}
        />
        <button type="submit" class="send" aria-label={editing ? "Save" : thread === undefined ? "Send" : "Send to the thread"} disabled={!sendable} title={files.length > 0 && !sendable ? "The files are not all there yet" : undefined}>
          <Icon name={editing ? "check" : "send"} />
        </button>
      </div>
      {thread !== undefined && (
        <label class="also">
          <input type="checkbox" checked={inLog} onChange={(event) => setInLog(event.currentTarget.checked)} />
          Show it in the conversation, too
        </label>
      )}
      {room.longest > 0 && length > room.longest * COUNT_FROM && (
        <p id="too-long" class={tooMany > 0 ? "count over" : "count"} role="status">
          {tooMany > 0 ? `${tooMany} characters too many` : `${room.longest - length} characters left`}
        </p>
      )}
    </form>
  );
}

function modified(event: KeyboardEvent): boolean {
  return event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.isComposing;
}

/** Where the next word goes, once a dialog has given the focus back. */
export function focusComposer(root: ParentNode): void {
  setTimeout(() => root.querySelector<HTMLElement>(".composer-field")?.focus());
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
