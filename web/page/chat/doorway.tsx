/** What somebody finds in the place of a conversation that they are not in. */

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Refused } from "../sdk/salon.ts";
import { Failure } from "../shared/failure.tsx";
import { Bell } from "./bell.tsx";
import type { Room } from "./room.ts";
import { said } from "./words.ts";

/** Reasons of an end after which one may come in again. */
export const MAY_JOIN = new Set(["FORBIDDEN", "NOT_FOUND", "NOT_PARTICIPANT", "LEFT"]);

/** The server does not tell them whether there is anything behind the door. */
export function Doorway({ room }: { room: Room }) {
  const { home } = room;
  const { arrival, go } = home;
  const [failure, setFailure] = useState<Refused | null>(null);
  const [busy, setBusy] = useState(false);
  const reason = room.state.value.reason;
  const join = async (): Promise<void> => {
    setBusy(true);
    try {
      await home.join(room.id);
    } catch (error) {
      setFailure(error instanceof Refused ? error : null);
      setBusy(false);
    }
  };
  useEffect(() => {
    // Who came by the address and has just said their name need not be asked a second time.
    if (arrival.value === room.id) void join();
    arrival.value = null;
  }, []);
  if (failure?.status === 404 || !MAY_JOIN.has(reason?.code ?? "")) {
    return (
      <Door frame={frameOf(room)} title="Nothing here">
        {reason?.code === "DELETED" ? (
          <p>{reason.error} Nothing of it is left.</p>
        ) : (
          <p>{failure ? "This address leads to no conversation." : reason?.error} Perhaps it was cut short when it was copied, or everybody has left.</p>
        )}
        {go && (
          <button type="button" class="button" onClick={() => go(null)}>
            To your conversations
          </button>
        )}
      </Door>
    );
  }
  if (failure?.refusal.code === "FORBIDDEN") {
    return (
      <Door frame={frameOf(room)} title="By invitation only">
        <p>One comes into this conversation by an invite, or by asking those who are in.</p>
        <Bell room={room} />
      </Door>
    );
  }
  return (
    <Door frame={frameOf(room)} title="You have been given an address">
      <p>It leads into a conversation that you are not in yet. Whoever is there will see that you have come.</p>
      <Failure text={failure ? said(failure) : ""} />
      <div class="buttons">
        <button type="button" class="button primary" disabled={busy} onClick={() => void join()}>
          {busy ? "Joining…" : "Join the conversation"}
        </button>
        {go && (
          <button type="button" class="button" onClick={() => go(null)}>
            Not now
          </button>
        )}
      </div>
    </Door>
  );
}

function Door({ frame: Frame, title, children }: { frame: "main" | "section"; title: string; children: ComponentChildren }) {
  return (
    <Frame class="room doorway">
      <div class="doorway-inside">
        <h1>{title}</h1>
        {children}
      </div>
    </Frame>
  );
}

/** It is the main thing of the chat page, and a part of another one. */
export function frameOf(room: Room): "main" | "section" {
  return room.home.root === document ? "main" : "section";
}
