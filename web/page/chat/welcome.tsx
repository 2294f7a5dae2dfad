/** The way in, and the way back in. */

import { useState } from "preact/hooks";
import { type Provider, ProviderLinks, SignInFailure } from "../shared/provider.tsx";
import { Erasing } from "./erasing.tsx";
import { here, invited, path } from "./route.ts";
import {
  enterAsGuest,
  enterWithToken,
  guestsWelcome,
  identify,
  leave,
  outcome,
  providers,
  recover,
  type Who,
} from "./session.ts";
import { useCountdown } from "./status.tsx";
import { Wordmark } from "../shared/wordmark.tsx";
import { said } from "./words.ts";

type Nobody = Extract<Who, { kind: "nobody" }>;
type Way = "provider" | "guest" | "code" | "token";

export function Welcome({ who }: { who: Nobody }) {
  const [chosen, setWay] = useState<Way | null>(null);
  const way = chosen ?? likeliest(who);
  const back = who.before !== null;
  const primary = way === "provider" ? favourite(who)?.name : undefined;
  const links = <ProviderLinks providers={providers.value} returnTo={path()} primary={primary} leave={leave} />;
  return (
    <main class="welcome">
      <div class="welcome-card">
        <Wordmark />
        <h1>{heading(who)}</h1>
        <p class="welcome-lead">{lead(who)}</p>
        <SignInFailure outcome={outcome.value} />
        <Erasing />
        {way === "provider" && links}
        {way === "guest" && <Guest again={back} />}
        {way === "code" && (
          <Secret
            key="code"
            label="Recovery code"
            hint="Seven groups of four, as shown when you first came. Capitals and dashes do not matter."
            action="Come back"
            enter={recover}
          />
        )}
        {way === "token" && (
          <Secret
            key="token"
            label="Token"
            hint="From whoever runs this server. It is exchanged for a session and kept nowhere in this page."
            action="Sign in"
            enter={enterWithToken}
            hidden
          />
        )}
        {way !== "provider" && providers.value.length > 0 && <div class="or">{links}</div>}
        <ul class="ways">
          {way !== "guest" && guestsWelcome.value && <Other text="Come in as a guest" choose={() => setWay("guest")} />}
          {way !== "code" && <Other text="Come back with a recovery code" choose={() => setWay("code")} />}
          {way !== "token" && <Other text="Sign in with a token" choose={() => setWay("token")} />}
        </ul>
      </div>
    </main>
  );
}

/** Whoever was here before comes back the way they came. */
function likeliest(who: Nobody): Way {
  if (who.before?.id.startsWith("guest_")) return "code";
  if (who.before && !cameBy(who)) return "token";
  if (providers.value.length > 0) return "provider";
  return guestsWelcome.value ? "guest" : "token";
}

/** The provider through whom this browser's last person came, whose name their id begins with. */
function cameBy({ before }: Nobody): Provider | undefined {
  return providers.value.find(({ name }) => before?.id.startsWith(`${name}:`));
}

/** The one that is pointed out: theirs, or the only one. */
function favourite(who: Nobody): Provider | undefined {
  return who.before ? cameBy(who) : providers.value.length === 1 ? providers.value[0] : undefined;
}

function heading(who: Nobody): string {
  if (who.ended) return "Your session has ended";
  if (who.before) return "Welcome back";
  return here.value || invited.value ? "You are expected" : "Come in";
}

function lead(who: Nobody): string {
  if (who.before) {
    const way = { provider: "sign in again", code: "use your recovery code", token: "use your token", guest: "" }[likeliest(who)];
    return `This browser knew you as ${who.before.name}, but the session is over. Your conversations are all still there: ${way} to find them again.`;
  }
  if (providers.value.length > 0) {
    if (here.value) return "Somebody sent you the address of a conversation. Say who you are, and you are in.";
    return guestsWelcome.value ? "Sign in, or look around as a guest." : "Sign in with an account that you have already.";
  }
  if (!guestsWelcome.value) return "Whoever runs this place has a token for you.";
  if (here.value) return "Somebody sent you the address of a conversation. Say what to call you, and you are in.";
  return "Say what to call you, and begin. No account, no password.";
}

function Other({ text, choose }: { text: string; choose: () => void }) {
  return (
    <li>
      <button type="button" class="link" onClick={choose}>
        {text}
      </button>
    </li>
  );
}

function Guest({ again }: { again: boolean }) {
  const [name, setName] = useState("");
  const entry = useEntry(() => enterAsGuest(name));
  return (
    <form class="entry" onSubmit={entry.submit}>
      <label for="guest-name">Your name</label>
      <input
        id="guest-name"
        class="field big"
        dir="auto"
        maxLength={64}
        autoComplete="nickname"
        placeholder="Or stay “Guest”"
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
        autoFocus
      />
      {entry.failure}
      <button type="submit" class="button primary big" disabled={entry.busy}>
        {again ? "Continue as a new guest" : name.trim() ? `Continue as ${name.trim()}` : "Continue as guest"}
      </button>
    </form>
  );
}

function Secret(props: {
  label: string;
  hint: string;
  action: string;
  hidden?: boolean;
  enter: (secret: string) => Promise<void>;
}) {
  const [secret, setSecret] = useState("");
  const entry = useEntry(() => props.enter(secret));
  return (
    <form class="entry" onSubmit={entry.submit}>
      <label for="secret">{props.label}</label>
      <input
        id="secret"
        class="field big code-field"
        {...(props.hidden ? { type: "password" as const } : { type: "text" as const })}
        required
        autoComplete="off"
        autoCapitalize="off"
        spellcheck={false}
        aria-describedby="secret-hint"
        value={secret}
        onInput={(event) => setSecret(event.currentTarget.value)}
        autoFocus
      />
      <p id="secret-hint" class="hint">
        {props.hint}
      </p>
      {entry.failure}
      <button type="submit" class="button primary big" disabled={entry.busy || !secret.trim()}>
        {props.action}
      </button>
    </form>
  );
}

function useEntry(enter: () => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState("");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    try {
      await enter();
    } catch (error) {
      setFailed(said(error));
      setBusy(false);
    }
  };
  const failure = failed && (
    <p class="failure" role="alert">
      {failed}
    </p>
  );
  return { busy, failure, submit: (event: Event) => void submit(event) };
}

/** Nobody is known, and the server cannot be asked. */
export function Unreachable({ who }: { who: Extract<Who, { kind: "unreachable" }> }) {
  const left = useCountdown(who.retryAt);
  return (
    <main class="welcome">
      <div class="welcome-card">
        <Wordmark />
        <h1>Nobody answers</h1>
        <p class="welcome-lead" role="status">
          {who.error} {left > 0 ? `Trying again in ${left} s.` : "Trying again…"}
        </p>
        <button type="button" class="button primary big" onClick={() => void identify()}>
          Try now
        </button>
      </div>
    </main>
  );
}
