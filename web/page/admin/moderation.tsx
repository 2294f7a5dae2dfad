/** What waits for an operator's judgement: messages that members have reported, and messages that moderation holds. */

import { HeldQueue } from "./held.tsx";
import { Reports } from "./reports.tsx";

export function Moderation() {
  return (
    <div class="dossier">
      <h1 class="visually-hidden">Moderation</h1>
      <Reports />
      <HeldQueue />
    </div>
  );
}
