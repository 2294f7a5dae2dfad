/** A new token for a person: whom it stands for and for how long; then the token, this once. */

import { useState } from "preact/hooks";
import { Dialog } from "../shared/dialog.tsx";
import { Failure } from "../shared/failure.tsx";
import { moment } from "./format.ts";
import { reason, salon } from "./operator.ts";
import { say } from "./say.ts";

const DAY = 86_400; // seconds
const LIVES = [
  ["", "As long as a session"],
  [`${DAY / 24}`, "An hour"],
  [`${DAY}`, "A day"],
  [`${30 * DAY}`, "30 days"],
  [`${365 * DAY}`, "A year"],
] as const;
const SHOWN = 2000; // milliseconds that the button says it is done

interface Issued {
  token: string;
  token_id: string;
  expires_at: string;
}

export function Issue({ id, issued, close }: { id: string; issued: () => void; close: () => void }) {
  const [made, setMade] = useState<Issued | null>(null);
  const done = (token: Issued): void => {
    setMade(token);
    say("The token is issued.");
    issued();
  };
  // Who presses Escape or beside it would lose what is shown only once.
  return (
    <Dialog title={made ? "The new token" : "Issue a token"} close={made ? () => {} : close}>
      {made ? <Made made={made} close={close} /> : <Ask id={id} done={done} close={close} />}
    </Dialog>
  );
}

function Ask({ id, done, close }: { id: string; done: (token: Issued) => void; close: () => void }) {
  const [name, setName] = useState("");
  const [life, setLife] = useState("");
  const [kind, setKind] = useState<"person" | "agent" | "admin">("person");
  const [only, setOnly] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const conversations = only.split(/[\s,]+/).filter(Boolean);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    const fields = {
      id,
      ...(name.trim() && { name: name.trim() }),
      ...(life && { expires_in: Number(life) }),
      ...(kind !== "person" && { [kind]: true }),
      ...(conversations.length > 0 && { conversations }),
    };
    try {
      done(await salon.request<Issued>("POST", "/admin/tokens", fields));
    } catch (error) {
      setFailure(reason(error));
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <p>Whoever has the token is <b><bdi>{id}</bdi></b> here.</p>
      <label for="token-name">Name that others see</label>
      <input id="token-name" class="field" dir="auto" autofocus autocomplete="off" placeholder="The one they have, else the id" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      <label for="token-life">Ends after</label>
      <select id="token-life" class="field" value={life} onChange={(event) => setLife(event.currentTarget.value)}>
        {LIVES.map(([seconds, text]) => <option key={seconds} value={seconds}>{text}</option>)}
      </select>
      <label for="token-kind">Stands for</label>
      <select id="token-kind" class="field" value={kind} onChange={(event) => setKind(event.currentTarget.value as typeof kind)}>
        <option value="person">A person</option>
        <option value="agent">An agent</option>
        <option value="admin">An admin, who may do everything</option>
      </select>
      <label for="token-only">Only for these conversations</label>
      <textarea id="token-only" class="field" rows={2} spellcheck={false} placeholder="Their ids; empty: all" value={only} onInput={(event) => setOnly(event.currentTarget.value)} />
      <Failure text={failure} />
      <p class="soft small">What you do here is logged with your name.</p>
      <div class="buttons">
        <button type="button" class="button" onClick={close}>Cancel</button>
        <button type="submit" class="button primary" disabled={busy}>Issue</button>
      </div>
    </form>
  );
}

function Made({ made: { token, expires_at }, close }: { made: Issued; close: () => void }) {
  const [copied, setCopied] = useState(false);
  const [failure, setFailure] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(token);
    } catch {
      return setFailure("The browser did not let this page copy. Select the token and copy it yourself.");
    }
    setCopied(true);
    setTimeout(() => setCopied(false), SHOWN);
  };
  return (
    <>
      <p>Copy it now: it is shown this once, and kept nowhere. It ends {moment(expires_at)}.</p>
      <div class="copy">
        <input class="field mono" readOnly autofocus value={token} aria-label="Token" onFocus={(event) => event.currentTarget.select()} />
        <button type="button" class="button" onClick={() => void copy()}><span aria-live="polite">{copied ? "Copied" : "Copy"}</span></button>
      </div>
      <Failure text={failure} />
      <div class="buttons"><button type="button" class="button primary" onClick={close}>I have it</button></div>
    </>
  );
}
