/** The bar on top: where one can go, how the server and the line to it are, what to look for, who one is. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Identity } from "../sdk/types.ts";
import { Wordmark } from "../shared/wordmark.tsx";
import { Confirm } from "./confirm.tsx";
import type { Feed, Link } from "./feed.ts";
import { stats } from "./figures.ts";
import { counted, duration } from "./format.ts";
import { leave, salon } from "./operator.ts";
import { address, place } from "./route.ts";
import { said, say } from "./say.ts";
import { Search } from "./search.tsx";

const PLACES = [
  ["overview", "Overview"],
  ["actors", "Actors"],
  ["connections", "Connections"],
  ["agents", "Agents"],
  ["webhooks", "Webhooks"],
  ["people", "People"],
  ["moderation", "Moderation"],
  ["nodes", "Nodes"],
  ["audit", "Audit"],
] as const;

/** Whether the server is a node of a cluster: one that is alone has no list of nodes. */
function isNode(): boolean {
  return stats.value?.node !== undefined || place.value.name === "nodes";
}

export function Bar({ me, feed }: { me: Identity; feed: Feed }) {
  const [asking, ask] = useState(false);
  const menu = useRef<HTMLDetailsElement>(null);
  const shut = (): void => {
    if (menu.current) menu.current.open = false;
  };
  return (
    <header class="bar">
      <a class="home" href={address("overview")}><Wordmark room="console" /></a>
      <nav aria-label="Console">
        {PLACES.filter(([name]) => name !== "nodes" || isNode()).map(([name, text]) => (
          <a key={name} href={address(name)} aria-current={place.value.name === name ? "page" : undefined}>{text}</a>
        ))}
      </nav>
      <Search />
      <Health link={feed.link.value} />
      <details
        ref={menu}
        class="menu"
        onKeyDown={(event) => event.key === "Escape" && shut()}
        onFocusOut={(event) => !event.currentTarget.contains(event.relatedTarget as Node | null) && shut()}
      >
        <summary><bdi>{me.name}</bdi></summary>
        <div class="menu-inside">
          <button type="button" class="quiet" onClick={leave}>Forget the token</button>
          <button type="button" class="quiet bad" onClick={() => { shut(); ask(true); }}>Drain the server…</button>
        </div>
      </details>
      {said.value && <p class="said" aria-hidden="true">{said.value}</p>}
      {asking && <Drain close={() => ask(false)} />}
    </header>
  );
}

function Drain({ close }: { close: () => void }) {
  const connections = stats.value?.connections ?? 0;
  return (
    <Confirm
      title="Drain the server?"
      action="Drain and end it"
      word="drain"
      close={close}
      run={async () => {
        await salon.request("POST", "/admin/drain");
        say("The server drains.");
      }}
    >
      <p>
        It takes no new work, commits what it has accepted, tells {counted(connections, "connection")} when to come back, and ends. What
        started it has to start it again.
      </p>
    </Confirm>
  );
}

/** One lamp for both: a server that is well and a line that is down is not a good sight. */
function Health({ link }: { link: Link }) {
  const clock = useTick(link.kind === "offline");
  const status = stats.value?.status;
  let lamp = "wait";
  let text = "Connecting";
  if (link.kind === "offline") {
    lamp = "bad";
    text = `Offline, next try in ${Math.max(0, Math.ceil((link.retryAt - clock) / 1000))} s`;
  } else if (link.kind === "draining" || status === "draining") {
    lamp = "warn";
    text = "Draining";
  } else if (link.kind === "live" && status) {
    lamp = status === "healthy" ? "good" : "bad";
    text = status === "healthy" ? "Healthy" : "Store failing";
  }
  return (
    <p class={`health ${lamp}`} role="status" title={link.kind === "offline" ? link.error : undefined}>
      <span class="lamp" aria-hidden="true" />
      <span>{text}</span>
      {stats.value && link.kind === "live" && <span class="soft">up {duration(stats.value.uptime)}</span>}
    </p>
  );
}

function useTick(wanted: boolean): number {
  const [at, set] = useState(Date.now);
  useEffect(() => {
    if (!wanted) return;
    set(Date.now());
    const timer = setInterval(() => set(Date.now()), 500);
    return () => clearInterval(timer);
  }, [wanted]);
  return at;
}
