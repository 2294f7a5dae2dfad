/** The list of conversations, and what is new in them. */

import { useEffect, useState } from "preact/hooks";
import { Dialog } from "../shared/dialog.tsx";
import { Failure } from "../shared/failure.tsx";
import { Wordmark } from "../shared/wordmark.tsx";
import { focusComposer } from "./composer.tsx";
import { Foot } from "./foot.tsx";
import { GuestHint } from "./guest.tsx";
import { Icon } from "./icon.tsx";
import type { Inbox } from "./inbox.ts";
import { Listed } from "./listing.tsx";
import { listed } from "./notice.ts";
import { RecoveryCode } from "./recovery.tsx";
import { SearchButton } from "./search.tsx";
import { agents, askWays } from "./session.ts";
import { said } from "./words.ts";

export function Sidebar({ inbox, search }: { inbox: Inbox; search: () => void }) {
  const [creating, setCreating] = useState(false);
  return (
    <nav class="sidebar" aria-label="Conversations">
      <header class="sidebar-head">
        <Wordmark />
        <button type="button" class="button primary new" onClick={() => setCreating(true)}>
          <Icon name="plus" /> New
        </button>
      </header>
      <SearchButton open={search} keys />
      <Listed inbox={inbox} above={<RecoveryCode />} />
      <GuestHint inbox={inbox} />
      <Foot inbox={inbox} />
      {creating && <Create inbox={inbox} close={() => setCreating(false)} />}
    </nav>
  );
}

function Create({ inbox, close }: { inbox: Inbox; close: () => void }) {
  const [title, setTitle] = useState("");
  const [join, setJoin] = useState<"open" | "invite">("open");
  const [withAgents, setWithAgents] = useState(false);
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const names = agents.value;
  useEffect(() => void askWays(), []);
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await inbox.create({ title: title.trim(), join, ...(withAgents && names.length > 0 && { enable_ai: true }) });
      close();
      focusComposer(document);
    } catch (error) {
      setFailure(said(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title="A new conversation" close={close}>
      <form onSubmit={(event) => void create(event)}>
        <label for="new-title">What is it about?</label>
        <input
          id="new-title"
          class="field"
          required
          maxLength={200}
          dir="auto"
          value={title}
          autoFocus
          onInput={(event) => setTitle(event.currentTarget.value)}
        />
        <fieldset class="choice">
          <legend>Who may come in?</legend>
          <label>
            <input type="radio" name="join" checked={join === "open"} onChange={() => setJoin("open")} />
            <span>
              Whoever has the address
              <small>Send it to those you want here.</small>
            </span>
          </label>
          <label>
            <input type="radio" name="join" checked={join === "invite"} onChange={() => setJoin("invite")} />
            <span>
              Only those who are brought in
              <small>The address alone opens nothing.</small>
            </span>
          </label>
        </fieldset>
        {names.length > 0 && (
          <div class="choice">
            <label>
              <input type="checkbox" checked={withAgents} onChange={(event) => setWithAgents(event.currentTarget.checked)} />
              <span>
                With AI
                <small>
                  <bdi>{listed(names)}</bdi> {names.length === 1 ? "is" : "are"} here from the start, and {names.length === 1 ? "reads" : "read"} what is asked.
                </small>
              </span>
            </label>
          </div>
        )}
        <Failure text={failure} />
        <div class="buttons">
          <button type="button" class="button" onClick={close}>
            Cancel
          </button>
          <button type="submit" class="button primary" disabled={busy || !title.trim()}>
            Begin
          </button>
        </div>
      </form>
    </Dialog>
  );
}
