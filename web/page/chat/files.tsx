/** The files of a message: pictures in the place that is kept for them, everything else as a card. */

import { useState } from "preact/hooks";
import type { GivenFile } from "../sdk/types.ts";
import { Dialog } from "../shared/dialog.tsx";
import { kindOf, placeOf, previewFor, sizeOf } from "./filewords.ts";
import type { Home } from "./home.ts";
import { Icon } from "./icon.tsx";
import { save, usePreview } from "./stored.ts";
import { said } from "./words.ts";

export function Files({ files, conversation, home }: { files: readonly GivenFile[]; conversation: string; home: Home }) {
  return (
    <ul class="files" aria-label={files.length === 1 ? "File" : `${files.length} files`}>
      {files.map((file) => (
        <li key={file.file_id}>
          <Shown file={file} conversation={conversation} home={home} />
        </li>
      ))}
    </ul>
  );
}

function Shown({ file, conversation, home }: { file: GivenFile; conversation: string; home: Home }) {
  const [broken, setBroken] = useState(false);
  const place = placeOf(file);
  if (place && !broken) return <Picture file={file} place={place} conversation={conversation} home={home} broken={() => setBroken(true)} />;
  if (file.media_type?.startsWith("audio/") && home.salon.token === undefined) {
    return (
      <>
        <Card file={file} conversation={conversation} home={home} />
        <audio class="sound" controls preload="none" src={home.salon.fileUrl(conversation, file.file_id)} aria-label={nameOf(file)} />
      </>
    );
  }
  return <Card file={file} conversation={conversation} home={home} />;
}

interface Placed {
  file: GivenFile;
  place: { width: number; height: number };
  conversation: string;
  home: Home;
  broken: () => void;
}

function Picture({ file, place, conversation, home, broken }: Placed) {
  const [open, setOpen] = useState(false);
  const source = usePreview(home.salon, conversation, file.file_id, previewFor(place, devicePixelRatio), broken);
  return (
    <>
      <button type="button" class="picture" aria-label={`Enlarge ${file.alt || nameOf(file)}`} onClick={() => setOpen(true)}>
        <img
          src={source}
          width={place.width}
          height={place.height}
          alt={file.alt ?? ""}
          loading="lazy"
          decoding="async"
          onError={broken}
        />
      </button>
      {open && <Enlarged file={file} conversation={conversation} home={home} close={() => setOpen(false)} />}
    </>
  );
}

function Enlarged({ file, conversation, home, close }: { file: GivenFile; conversation: string; home: Home; close: () => void }) {
  const source = usePreview(home.salon, conversation, file.file_id, 1280);
  return (
    <Dialog title={nameOf(file)} kind="enlarged" close={close}>
      <img src={source} width={file.width} height={file.height} alt={file.alt ?? ""} />
      {file.alt && <p dir="auto">{file.alt}</p>}
      <div class="buttons">
        {home.salon.token === undefined && (
          <a class="button" href={home.salon.fileUrl(conversation, file.file_id)} target="_blank" rel="noopener">
            Open the original
          </a>
        )}
        <a class="button" {...download(file, conversation, home)}>
          Download
        </a>
        <button type="button" class="button primary" autoFocus onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Card({ file, conversation, home }: { file: GivenFile; conversation: string; home: Home }) {
  const kind = kindOf(file.media_type);
  return (
    <a class="file-card" {...download(file, conversation, home)}>
      <Icon name="file" />
      <span class="visually-hidden">Download </span>
      <span class="file-facts">
        <bdi class="file-name">{nameOf(file)}</bdi>
        <span class="soft">
          {kind}, {sizeOf(file.size ?? 0)}
        </span>
        {file.alt && <span dir="auto">{file.alt}</span>}
      </span>
      <Icon name="down" />
    </a>
  );
}

/** What a link needs that saves the file: a token goes along with no link. */
function download(file: GivenFile, conversation: string, home: Home) {
  const { salon } = home;
  const take = (event: Event): void => {
    if (salon.token === undefined) return;
    event.preventDefault();
    save(salon, conversation, file.file_id, nameOf(file)).catch((error: unknown) => home.toast(said(error)));
  };
  return { href: salon.fileUrl(conversation, file.file_id, { download: true }), download: nameOf(file), onClick: take };
}

function nameOf({ name, media_type }: GivenFile): string {
  return name || kindOf(media_type);
}
