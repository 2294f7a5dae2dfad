/** The way in, and what those see who have none. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Identity } from "../sdk/types.ts";
import { ProviderLinks, SignInFailure } from "../shared/provider.tsx";
import { Wordmark } from "../shared/wordmark.tsx";
import { askWays, enter, leave, outcome, providers } from "./operator.ts";

export function SignIn({ error }: { error: string | undefined }) {
  return (
    <Card title="For operators">
      <p class="soft">This console shows how the server is doing, and lets you intervene. {asks()}</p>
      <SignInFailure outcome={outcome.value} />
      <Links />
      <TokenForm error={error} />
      <p class="soft small">
        On the server: <code>salon token --id ops --admin</code> prints one. It is kept for this tab alone.
      </p>
    </Card>
  );
}

export function Forbidden({ identity }: { identity: Identity }) {
  return (
    <Card title="Not for you, alas">
      <p>
        You are here as <b>{identity.name}</b>, who is no operator of this server. Nothing is wrong with your
        conversations: they are <a href="/">where they were</a>.
      </p>
      <p class="soft">{another()}</p>
      <SignInFailure outcome={outcome.value} />
      <Links />
      <TokenForm error={undefined} />
    </Card>
  );
}

export function Unreachable({ error }: { error: string }) {
  return (
    <Card title="The server does not answer">
      <p role="alert">{error} The console tries again by itself.</p>
      <button type="button" class="button" onClick={leave}>Use another token</button>
    </Card>
  );
}

function asks(): string {
  return providers.value.length > 0 ? "Sign in as an operator, or give an operator's token." : "It asks for an operator's token.";
}

function another(): string {
  if (providers.value.length === 0) return "If you also have an operator's token, it goes here.";
  return "If you are an operator under another account, sign in with it: you are that one in the chat too, then. An operator's token does without.";
}

/** Back to the place of the console that somebody wanted. */
function Links() {
  useEffect(() => void askWays(), []);
  return <ProviderLinks providers={providers.value} returnTo={`/admin${location.hash}`} />;
}

function TokenForm({ error }: { error: string | undefined }) {
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!token.trim()) return;
    setBusy(true);
    await enter(token);
    setBusy(false);
  };
  return (
    <form class="token" onSubmit={(event) => void submit(event)}>
      <label for="token">Operator's token</label>
      <input
        id="token"
        class="field mono"
        type="password"
        autocomplete="off"
        spellcheck={false}
        value={token}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={error ? "token-error" : undefined}
        onInput={(event) => setToken(event.currentTarget.value)}
      />
      {error && <p id="token-error" class="failure" role="alert">{error}</p>}
      <button type="submit" class="button primary" disabled={busy || !token.trim()}>
        {busy ? "Asking…" : "Open the console"}
      </button>
    </form>
  );
}

function Card({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <main class="gate">
      <div class="card">
        <Wordmark room="console" />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}
