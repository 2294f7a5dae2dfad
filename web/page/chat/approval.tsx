/** A tool call that waits for a person: what an agent wants to do, and the buttons of those who may decide. */

import { useRef, useState } from "preact/hooks";
import { Refused } from "../sdk/salon.ts";
import type { Asking } from "./asking.ts";
import { useFocusStays } from "./focus.ts";
import type { Room } from "./room.ts";
import { said } from "./words.ts";

/** Refusals that say that there is nothing to decide any more. */
const TOO_LATE = new Set(["APPROVAL_NOT_FOUND", "RUN_ENDED", "RUN_NOT_FOUND"]);

export function Approval({ asking, run, name, mine, room }: { asking: Asking; run: string; name: string; mine: boolean; room: Room }) {
  const card = useRef<HTMLDivElement>(null);
  const [decided, setDecided] = useState(false);
  useFocusStays(card);
  const decide = (approved: boolean): void => {
    if (decided) return;
    setDecided(true); // the card goes when the server says what comes of it
    room.answers.approve(run, asking.id, approved).catch((error: unknown) => {
      if (error instanceof Refused && TOO_LATE.has(error.refusal.code)) return room.home.toast(`It is decided already: ${name} does not wait for this any more.`);
      setDecided(false);
      room.home.toast(said(error));
    });
  };
  return (
    <div ref={card} class="approval" role="group" aria-label={`${name} wants to use ${asking.tool}`}>
      <p>
        <bdi>{name}</bdi> wants to use <code dir="ltr">{asking.tool}</code>
      </p>
      {asking.arguments !== "" && (
        <pre tabIndex={0} role="region" aria-label="With these arguments" dir="ltr">
          {asking.arguments}
        </pre>
      )}
      {mine ? (
        <div class="buttons">
          <button type="button" class="button" aria-disabled={decided} onClick={() => decide(false)}>
            Refuse
          </button>
          <button type="button" class="button primary" aria-disabled={decided} onClick={() => decide(true)}>
            Allow
          </button>
        </div>
      ) : (
        <p class="soft">
          Waits until {asking.of !== undefined && <><bdi>{asking.of}</bdi> or </>}an owner decides.
        </p>
      )}
    </div>
  );
}
