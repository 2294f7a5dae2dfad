/** What an eye and an ear get that look elsewhere: words that go by themselves, and a live region. */

import type { Toasts } from "./toast.ts";
import type { Voice } from "./voice.ts";

export function Announcements({ toasts, voice }: { toasts: Toasts; voice: Voice }) {
  return (
    <>
      <div class="toasts" role="status">
        {toasts.shown.value.map((each) => (
          <p key={each.id} class="toast">
            {each.text}
          </p>
        ))}
      </div>
      <p class="visually-hidden" aria-live="polite">
        {voice.spoken.value}
      </p>
    </>
  );
}
