/** The whole console: the way in, or the bar and the place one is at. */

import { useSignalEffect } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Identity } from "../sdk/types.ts";
import { Boundary } from "../shared/boundary.tsx";
import { Actors } from "./actors.tsx";
import { Agents } from "./agents.tsx";
import { Audit } from "./audit.tsx";
import { Bar } from "./bar.tsx";
import { Connections } from "./connections.tsx";
import { ConversationPlace } from "./conversation.tsx";
import type { Feed } from "./feed.ts";
import { begin, end, stats } from "./figures.ts";
import { moment } from "./format.ts";
import { Forbidden, SignIn, Unreachable } from "./gate.tsx";
import { Moderation } from "./moderation.tsx";
import { Nodes } from "./nodes.tsx";
import { operator } from "./operator.ts";
import { Overview } from "./overview.tsx";
import { ParticipantPlace } from "./participant.tsx";
import { People } from "./people.tsx";
import { RefusalPlace } from "./refusal.tsx";
import { ReportPlace } from "./report.tsx";
import { place } from "./route.ts";
import { said } from "./say.ts";
import { Webhooks } from "./webhooks.tsx";

export function App() {
  const now = operator.value;
  return (
    <Boundary broken={<Broken />}>
      {now.kind === "asking" && <p class="moment" role="status">One moment…</p>}
      {now.kind === "unreachable" && <Unreachable error={now.error} />}
      {now.kind === "nobody" && <SignIn error={now.error} />}
      {now.kind === "forbidden" && <Forbidden identity={now.identity} />}
      {now.kind === "operator" && <Console key={now.identity.id} me={now.identity} />}
      <p class="visually-hidden" role="status" aria-live="polite">{said.value}</p>
    </Boundary>
  );
}

function Console({ me }: { me: Identity }) {
  const [feed] = useState(begin);
  useEffect(() => end, []);
  useSignalEffect(() => {
    document.title = `${titleOf(place.value.name)} · salon console`;
  });
  return (
    <div class="console">
      <a class="skip" href="#place" onClick={skip}>Skip to the content</a>
      <Bar me={me} feed={feed} />
      <Old feed={feed} />
      <main id="place" tabIndex={-1}>
        <Here />
      </main>
    </div>
  );
}

/** What is seen while the line is down is no lie as long as it says how old it is. */
function Old({ feed }: { feed: Feed }) {
  const { kind } = feed.link.value;
  if (stats.value === null || kind === "live" || kind === "connecting") return null;
  const what = kind === "draining" ? "The server is draining." : "The line to the server is down.";
  return <p class="old" role="status">{what} What you see is from {moment(stats.value.timestamp)}.</p>;
}

function Here() {
  const at = place.value;
  switch (at.name) {
    case "overview":
      return <Overview />;
    case "actors":
      return <Actors />;
    case "connections":
      return <Connections />;
    case "agents":
      return <Agents />;
    case "webhooks":
      return <Webhooks />;
    case "people":
      return <People />;
    case "moderation":
      return <Moderation />;
    case "nodes":
      return <Nodes />;
    case "audit":
      return <Audit />;
    case "conversation":
      return <ConversationPlace key={at.id} id={at.id} />;
    case "participant":
      return <ParticipantPlace key={at.id} id={at.id} />;
    case "connection":
      return <Connections key={at.id} only={at.id} />;
    case "refusal":
      return <RefusalPlace key={at.id} id={at.id} />;
    case "report":
      return <ReportPlace key={at.id} id={at.id} />;
  }
}

/** The address after `#` is a place of the console: the link itself must not change it. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("place")?.focus();
}

function titleOf(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function Broken() {
  return (
    <main class="gate">
      <div class="card">
        <h1>The console has broken</h1>
        <p>That is our fault. The server goes on as before.</p>
        <button type="button" class="button primary" onClick={() => location.reload()}>Load it again</button>
      </div>
    </main>
  );
}
