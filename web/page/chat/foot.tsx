/** Below the list: who one is, and what one can do about it. */

import { useEffect, useState } from "preact/hooks";
import { permission, toggle } from "./alert.ts";
import { Avatar } from "./avatar.tsx";
import { Copy } from "./copy.tsx";
import { KeepLink, KeepLinks } from "./guest.tsx";
import { Icon } from "./icon.tsx";
import type { Inbox } from "./inbox.ts";
import { Question } from "./question.tsx";
import { go } from "./route.ts";
import { askWays, recoveryCode, signOut } from "./session.ts";
import { Status } from "./status.tsx";
import { toasts } from "./toast.ts";
import { YourData } from "./yourdata.tsx";

export function Foot({ inbox }: { inbox: Inbox }) {
  const [leaving, setLeaving] = useState(false);
  const [about, setAbout] = useState(false);
  return (
    <>
      <footer class="sidebar-foot">
        <button type="button" class="me" aria-haspopup="dialog" title={inbox.me.id} onClick={() => setAbout(true)}>
          <span class="visually-hidden">Your data: </span>
          <Avatar id={inbox.me.id} name={inbox.me.name} />
          <bdi>{inbox.me.name}</bdi>
        </button>
        <div class="sidebar-me">
          <KeepLink inbox={inbox} />
          {inbox.open.value === null && <Status state={inbox.connection.value} retry={() => inbox.reconnect()} />}
        </div>
        {inbox.me.admin && (
          <a class="tool" href="/admin" aria-label="The operator’s console" title="Console">
            <Icon name="gauge" />
          </a>
        )}
        <Bell />
        <button type="button" class="tool" aria-label="Sign out" title="Sign out" onClick={() => setLeaving(true)}>
          <Icon name="power" />
        </button>
      </footer>
      {leaving && <SignOut inbox={inbox} close={() => setLeaving(false)} />}
      {about && <YourData inbox={inbox} close={() => setAbout(false)} />}
    </>
  );
}

function Bell() {
  const state = permission.value;
  if (state === "unsupported") return null;
  const words = {
    on: "Notifications are on",
    off: "Notify me when I look elsewhere",
    blocked: "The browser blocks notifications for this page: allow them in its settings",
  }[state];
  return (
    <button type="button" class="tool" aria-pressed={state === "on"} aria-label={words} title={words} onClick={() => void toggle()}>
      <Icon name={state === "on" ? "bell" : "bellOff"} />
    </button>
  );
}

function SignOut({ inbox, close }: { inbox: Inbox; close: () => void }) {
  const waiting = inbox.waiting();
  useEffect(() => void askWays(), []);
  const leave = async (): Promise<void> => {
    await signOut(() => inbox.abandon());
    go(null, true);
  };
  return (
    <Question title="Sign out?" action="Sign out" run={leave} close={close}>
      <p>
        Your conversations stay. To come back as <bdi>{inbox.me.name}</bdi> you need your recovery code or your token.
      </p>
      {recoveryCode.value !== null && <Copy text={recoveryCode.value} label="Copy" name="Recovery code" toast={toasts.show} />}
      <KeepLinks inbox={inbox} words="Or sign in instead: then these conversations are your account’s." />
      {waiting > 0 && <p class="failure">{waiting} of your messages have not been sent yet.</p>}
    </Question>
  );
}
