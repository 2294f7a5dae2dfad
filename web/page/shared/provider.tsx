/** Signing in with a provider: the links that lead there, and what is said where it did not work. */

export interface Provider {
  name: string;
  label: string;
  url: string;
}

/** How one may come in here, and which agents a new conversation may have, as `/auth/ways` says it. */
export interface Ways {
  guests: boolean;
  providers: Provider[];
  agents: { id: string; name: string }[];
}

/** A sign-in that has failed a moment ago; `id` is the operator's name for it. */
export interface Outcome {
  text: string;
  id: string | null;
}

const TEXTS: Record<string, string> = {
  declined: "You called the sign-in off. Nothing has changed.",
  failed: "What the sign-in service sent cannot be trusted, so you were not let in. Try once more; if it stays so, tell whoever runs this server.",
  limited: "Too many sign-ins were begun from your network. Try again in a few minutes.",
  lost: "This sign-in took too long, or was begun in another tab. Please begin again.",
  refused: "Your account may not come in here. Ask whoever runs this server.",
  unavailable: "The sign-in service does not answer as it should. Try again in a moment, or come in another way.",
};
const TOLD = new Set(["declined", "lost"]); // what nobody has to look into

/** What the address says of a sign-in that brought somebody here in vain; it is taken out of the address. */
export function takeOutcome(): Outcome | null {
  const asked = new URLSearchParams(location.search);
  const reason = asked.get("sign_in");
  const id = asked.get("id");
  if (reason === null) return null;
  asked.delete("sign_in");
  asked.delete("id");
  const rest = asked.toString();
  history.replaceState(history.state, "", `${location.pathname}${rest && `?${rest}`}${location.hash}`);
  const text = Object.hasOwn(TEXTS, reason) ? TEXTS[reason]! : TEXTS.failed!;
  // Anybody can make up an address: nothing of it is shown but what looks like an id.
  const named = id !== null && /^[\w-]{22}$/.test(id) && !TOLD.has(reason);
  return { text, id: named ? id : null };
}

/** A link for each; `primary` names the one to take. `leave` is called when somebody does. */
export function ProviderLinks(props: {
  providers: Provider[];
  returnTo: string;
  primary?: string | undefined;
  leave?: () => void;
  /** Whether a guest stays who they are. */
  keepGuest?: boolean;
}) {
  if (props.providers.length === 0) return null;
  return (
    <div class="providers">
      {props.providers.map(({ name, label, url }) => (
        <a
          key={name}
          class={name === props.primary ? "button primary big" : "button big"}
          href={`${url}?return_to=${encodeURIComponent(props.returnTo)}${props.keepGuest ? "&keep_guest=true" : ""}`}
          onClick={props.leave}
        >
          <span>
            Continue with <bdi>{label}</bdi>
          </span>
        </a>
      ))}
    </div>
  );
}

export function SignInFailure({ outcome }: { outcome: Outcome | null }) {
  if (outcome === null) return null;
  return (
    <div class="failure" role="alert">
      <p>{outcome.text}</p>
      {outcome.id !== null && (
        <p class="failure-number">
          Its number, if you ask about it: <code>{outcome.id}</code>
        </p>
      )}
    </div>
  );
}
