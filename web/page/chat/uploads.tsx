/** Files on their way into a message: how they are chosen, dropped and pasted, how far each is, and what each shows. */

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import type { Salon } from "../sdk/salon.ts";
import { kindOf, sizeOf } from "./filewords.ts";
import { Icon } from "./icon.tsx";
import { usePreview } from "./stored.ts";
import type { Item, Uploads } from "./uploads.ts";

const LONGEST = 1000; // characters of a description

/** Opens the system's own chooser. */
export function Choose({ uploads }: { uploads: Uploads }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={field}
        type="file"
        multiple
        hidden
        aria-label="Files"
        onChange={(event) => {
          add(uploads, [...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = ""; // so that the same one can be chosen again
        }}
      />
      <button type="button" class="tool attach" aria-label="Add files" title="Add files" onClick={() => field.current?.click()}>
        <Icon name="clip" />
      </button>
    </>
  );
}

export function add(uploads: Uploads, files: readonly File[]): void {
  const problem = uploads.add(files);
  if (problem) uploads.home.toast(problem);
}

/** What was pasted, if it is files and no text: office programs put a picture of the text beside it. */
export function pasted(event: ClipboardEvent): File[] {
  const { clipboardData: data } = event;
  if (!data?.files.length || data.getData("text/plain")) return [];
  event.preventDefault();
  return [...data.files];
}

/** A place on which files can be dropped, wherever in it: what it listens to, and what lies over it meanwhile. Not where there are no `uploads`. */
export function useDropping(uploads: Uploads | null | undefined, words: string): { shade: ComponentChildren; dropping: object } {
  const [over, setOver] = useState(false);
  const inside = useRef(0);
  const carries = (event: DragEvent): boolean => uploads != null && (event.dataTransfer?.types.includes("Files") ?? false);
  const dropping = {
    onDragEnter: (event: DragEvent) => {
      if (!carries(event)) return;
      event.preventDefault();
      inside.current += 1;
      setOver(true);
    },
    onDragOver: (event: DragEvent) => carries(event) && event.preventDefault(),
    onDragLeave: (event: DragEvent) => {
      if (carries(event) && --inside.current <= 0) setOver(false);
    },
    onDrop: (event: DragEvent) => {
      inside.current = 0;
      setOver(false);
      if (!carries(event)) return;
      event.preventDefault();
      const items = [...(event.dataTransfer?.items ?? [])];
      const folders = items.filter((each) => each.webkitGetAsEntry?.()?.isDirectory).length;
      const files = items.flatMap((each) => (each.kind === "file" && !each.webkitGetAsEntry?.()?.isDirectory ? (each.getAsFile() ?? []) : []));
      if (folders) uploads!.home.toast("A folder cannot be sent: send the files in it.");
      if (files.length) add(uploads!, files);
    },
  };
  const shade = over && (
    <div class="dropping" aria-hidden="true">
      <p>
        <Icon name="clip" /> {words}
      </p>
    </div>
  );
  return { shade, dropping };
}

/** Above the field: each file that goes with the message. */
export function Tray({ uploads, conversation }: { uploads: Uploads; conversation: string }) {
  const items = uploads.items.value;
  if (items.length === 0) return null;
  return (
    <ul class="tray" aria-label="Files of this message">
      {items.map((item) => (
        <li key={item.key} class={`tray-item ${item.state}`}>
          <Thumb item={item} conversation={conversation} salon={uploads.home.salon} />
          <div class="tray-facts">
            <p class="tray-name">
              <bdi>{item.name}</bdi> <span class="soft">{sizeOf(item.size)}</span>
            </p>
            <Progress item={item} />
            {item.failure !== undefined && <p class="tray-failure">{item.failure}</p>}
            {item.view?.width !== undefined && (
              <input
                class="field"
                aria-label={`What ${item.name} shows`}
                placeholder="What does it show?"
                maxLength={LONGEST}
                dir="auto"
                value={item.alt}
                onInput={(event) => uploads.describe(item.key, event.currentTarget.value)}
                onKeyDown={(event) => {
                  if (event.key !== "Enter" || event.isComposing) return;
                  event.preventDefault();
                  event.currentTarget.closest("form")?.querySelector<HTMLElement>(".composer-field")?.focus();
                }}
              />
            )}
          </div>
          {item.state === "failed" && (
            <button type="button" class="tool" aria-label={`Try ${item.name} again`} title="Try again" onClick={() => uploads.retry(item.key)}>
              <Icon name="again" />
            </button>
          )}
          <button type="button" class="tool" aria-label={item.state === "there" || item.state === "failed" ? `Remove ${item.name}` : `Cancel ${item.name}`} title="Remove" onClick={(event) => leave(event.currentTarget, () => uploads.remove(item.key))}>
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** The focus stays near when what has it goes. */
function leave(button: HTMLElement, act: () => void): void {
  const form = button.closest("form");
  const row = button.closest("li");
  const next = (row?.nextElementSibling ?? row?.previousElementSibling)?.querySelector<HTMLElement>("button:last-of-type");
  act();
  (next ?? form?.querySelector<HTMLElement>(".composer-field"))?.focus();
}

function Thumb({ item, conversation, salon }: { item: Item; conversation: string; salon: Salon }) {
  const file = item.view?.width === undefined ? undefined : item.view.file_id;
  return file === undefined ? <Icon name="file" /> : <Preview file={file} conversation={conversation} salon={salon} />;
}

function Preview({ file, conversation, salon }: { file: string; conversation: string; salon: Salon }) {
  return <img class="tray-thumb" src={usePreview(salon, conversation, file, 160)} width={44} height={44} alt="" />;
}

function Progress({ item }: { item: Item }) {
  if (item.state === "failed") return null;
  if (item.state === "there") return <p class="tray-state">{kindOf(item.view?.media_type)}, uploaded</p>;
  if (item.state === "waiting") return <p class="tray-state">Waits its turn</p>;
  return (
    <p class="tray-state">
      {item.retryAt === undefined ? (
        <progress aria-label={`${item.name}, uploading`} max={Math.max(1, item.size)} value={item.sent} />
      ) : (
        "The connection was cut: it is tried again by itself"
      )}
    </p>
  );
}
