/** The files of a message: pictures in the place that is kept for them, everything else as a card. */

import { useState } from "preact/hooks";
import type { Salon } from "../sdk/salon.ts";
import type { GivenFile } from "../sdk/types.ts";
import { Dialog } from "../shared/dialog.tsx";
import { kindOf, placeOf, previewFor, sizeOf } from "./filewords.ts";
import { Icon } from "./icon.tsx";

export function Files({ files, conversation, salon }: { files: readonly GivenFile[]; conversation: string; salon: Salon }) {
  return (
    <ul class="files" aria-label={files.length === 1 ? "File" : `${files.length} files`}>
      {files.map((file) => (
        <li key={file.file_id}>
          <Shown file={file} conversation={conversation} salon={salon} />
        </li>
      ))}
    </ul>
  );
}

function Shown({ file, conversation, salon }: { file: GivenFile; conversation: string; salon: Salon }) {
  const [broken, setBroken] = useState(false);
  const place = placeOf(file);
  if (place && !broken) return <Picture file={file} place={place} conversation={conversation} salon={salon} broken={() => setBroken(true)} />;
  if (file.media_type?.startsWith("audio/")) {
    return (
      <>
        <Card file={file} conversation={conversation} salon={salon} />
        <audio class="sound" controls preload="none" src={salon.fileUrl(conversation, file.file_id)} aria-label={nameOf(file)} />
      </>
    );
  }
  return <Card file={file} conversation={conversation} salon={salon} />;
}

interface Placed {
  file: GivenFile;
  place: { width: number; height: number };
  conversation: string;
  salon: Salon;
  broken: () => void;
}

function Picture({ file, place, conversation, salon, broken }: Placed) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="picture" aria-label={`Enlarge ${file.alt || nameOf(file)}`} onClick={() => setOpen(true)}>
        <img
          src={salon.previewUrl(conversation, file.file_id, previewFor(place, devicePixelRatio))}
          width={place.width}
          height={place.height}
          alt={file.alt ?? ""}
          loading="lazy"
          decoding="async"
          onError={broken}
        />
      </button>
      {open && <Enlarged file={file} conversation={conversation} salon={salon} close={() => setOpen(false)} />}
    </>
  );
}

function Enlarged({ file, conversation, salon, close }: { file: GivenFile; conversation: string; salon: Salon; close: () => void }) {
  return (
    <Dialog title={nameOf(file)} kind="enlarged" close={close}>
      <img src={salon.previewUrl(conversation, file.file_id, 1280)} width={file.width} height={file.height} alt={file.alt ?? ""} />
      {file.alt && <p dir="auto">{file.alt}</p>}
      <div class="buttons">
        <a class="button" href={salon.fileUrl(conversation, file.file_id)} target="_blank" rel="noopener">
          Open the original
        </a>
        <a class="button" href={salon.fileUrl(conversation, file.file_id, { download: true })} download={nameOf(file)}>
          Download
        </a>
        <button type="button" class="button primary" autoFocus onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  );
}

function Card({ file, conversation, salon }: { file: GivenFile; conversation: string; salon: Salon }) {
  const kind = kindOf(file.media_type);
  return (
    <a class="file-card" href={salon.fileUrl(conversation, file.file_id, { download: true })} download={nameOf(file)}>
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

function nameOf({ name, media_type }: GivenFile): string {
  return name || kindOf(media_type);
}
