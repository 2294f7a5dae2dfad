/** A guest's way back, shown until they say that they have kept it. */

import { Copy } from "./copy.tsx";
import { Icon } from "./icon.tsx";

export function Code({ code, keep, toast }: { code: string; keep: () => void; toast: (text: string) => void }) {
  return (
    <section class="code" aria-label="Recovery code">
      <h2>
        <Icon name="key" /> Your way back
      </h2>
      <p>Keep this code. It brings you back as yourself on another device, or when this browser forgets you. It is shown this once.</p>
      <Copy text={code} label="Copy" name="Recovery code" toast={toast} />
      <button type="button" class="link" onClick={keep}>
        I have kept it
      </button>
    </section>
  );
}
