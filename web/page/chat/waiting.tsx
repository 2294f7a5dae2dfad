/** Who asks to be let in, and who is kept out or silent: for those who may answer. */

import { useState } from "preact/hooks";
import type { JoinRequest, Sanction } from "../sdk/types.ts";
import { Asked, Reason } from "./asked.tsx";
import { Icon } from "./icon.tsx";
import type { Room } from "./room.ts";
import { brief, precise } from "./time.ts";
import { said } from "./words.ts";

export function Asking({ room }: { room: Room }) {
  const requests = room.keeping.requests.value;
  if (requests.length === 0) return null;
  return (
    <section class="asking" aria-label="Asking to come in">
      <h3>Asking to come in</h3>
      <ul>
        {requests.map((each) => (
          <Request key={each.participant.id} request={each} room={room} />
        ))}
      </ul>
    </section>
  );
}

function Request({ request, room }: { request: JoinRequest; room: Room }) {
  const [denying, setDenying] = useState(false);
  const [reason, setReason] = useState("");
  const { id, name } = request.participant;
  const letIn = (): void => void room.home.salon.approveJoin(room.id, id).then(() => room.keeping.look(), (error: unknown) => room.home.toast(said(error)));
  const deny = async (): Promise<void> => {
    await room.home.salon.denyJoin(room.id, id, reason.trim() || undefined);
    void room.keeping.look();
  };
  return (
    <li>
      <p>
        <bdi>{name}</bdi> <time class="soft">{brief(Date.parse(request.requested_at))}</time>
      </p>
      {request.reason && <p dir="auto">{request.reason}</p>}
      <div class="asking-buttons">
        <button type="button" class="button primary" onClick={letIn}>
          <span>
            Let in<span class="visually-hidden"> {name}</span>
          </span>
        </button>
        <button type="button" class="button" aria-label={`Deny ${name}`} onClick={() => setDenying(true)}>
          Deny
        </button>
      </div>
      {denying && (
        <Asked title={`Not let ${name} in?`} action="Deny" danger run={deny} close={() => setDenying(false)}>
          <p>They may ask again after a day.</p>
          <Reason value={reason} set={setReason} />
        </Asked>
      )}
    </li>
  );
}

/** Those who are banned, and those who are muted and not here. */
export function Barred({ room }: { room: Room }) {
  const here = new Set(room.members.value.map((who) => who.participantId));
  const mutes = room.keeping.mutes.value.filter((each) => !here.has(each.participant.id));
  return (
    <>
      <Sanctions title="Banned" all={room.keeping.bans.value} end={(id) => room.home.salon.unban(room.id, id)} words={(name) => `Let ${name} come in again`} room={room} />
      <Sanctions title="Muted, and not here" all={mutes} end={(id) => room.home.salon.unmute(room.id, id)} words={(name) => `Let ${name} speak again`} room={room} />
    </>
  );
}

interface Kind {
  title: string;
  all: readonly Sanction[];
  end: (id: string) => Promise<unknown>;
  words: (name: string) => string;
  room: Room;
}

function Sanctions({ title, all, end, words, room }: Kind) {
  if (all.length === 0) return null;
  return (
    <section class="asking" aria-label={title}>
      <h3>{title}</h3>
      <ul>
        {all.map(({ participant: { id, name }, until, reason }) => (
          <li key={id} class="barred">
            <p>
              <bdi>{name}</bdi>
              {until !== null && <span class="soft"> until {precise(Date.parse(until))}</span>}
              {reason !== null && <span class="soft" dir="auto"> {reason}</span>}
            </p>
            <button type="button" class="tool" aria-label={words(name)} title={words(name)} onClick={() => void end(id).then(() => room.keeping.look(), (error: unknown) => room.home.toast(said(error)))}>
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
