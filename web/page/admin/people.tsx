/** People as the server knows them: who is blocked, what is held, who is being erased, whose tokens there are. */

import { useState } from "preact/hooks";
import { BlockedPeople } from "./access.tsx";
import { Erasures } from "./erasures.tsx";
import { Holds } from "./holds.tsx";
import { go } from "./route.ts";
import { Tokens } from "./tokens.tsx";

export function People() {
  return (
    <div class="dossier">
      <h1 class="visually-hidden">People</h1>
      <Find />
      <Holds />
      <Erasures />
      <BlockedPeople />
      <Tokens />
    </div>
  );
}

/** Everybody has a page, also who was never here. */
function Find() {
  const [id, write] = useState("");
  const open = (event: Event): void => {
    event.preventDefault();
    go("participant", id.trim());
  };
  return (
    <section class="pane" aria-labelledby="find-title">
      <h2 id="find-title">One person</h2>
      <form class="find" onSubmit={open}>
        <label for="person-id">A person's whole id</label>
        <input id="person-id" class="field" required maxLength={128} autocomplete="off" spellcheck={false} value={id} onInput={(event) => write(event.currentTarget.value)} />
        <button type="submit" class="button" disabled={!id.trim()}>Open</button>
      </form>
      <p class="soft small">Their page has their tokens, and the handles to block, export, hold and erase them. They need not have been here.</p>
    </section>
  );
}
