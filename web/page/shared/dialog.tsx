/** A question that has to be answered first; the browser's own dialog keeps the focus inside and gives it back. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

export function Dialog(props: { title: string; close: () => void; kind?: string; children: ComponentChildren }) {
  const place = useRef<HTMLDialogElement>(null);
  const pressed = useRef(false);
  useLayoutEffect(() => {
    const dialog = place.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={place}
      class={props.kind ? `dialog ${props.kind}` : "dialog"}
      aria-labelledby="dialog-title"
      onCancel={(event) => {
        event.preventDefault();
        props.close();
      }}
      onPointerDown={(event) => (pressed.current = event.target === place.current)}
      // Beside it; but who drags out of a field, to select what is in it, wants to go on.
      onClick={(event) => event.target === place.current && pressed.current && props.close()}
    >
      <div class="dialog-inside">
        <h2 id="dialog-title">{props.title}</h2>
        {props.children}
      </div>
    </dialog>
  );
}
