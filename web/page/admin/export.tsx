/** A person's data as a file. */

import { useState } from "preact/hooks";
import { Failure } from "../shared/failure.tsx";
import { save } from "../shared/save.ts";
import { reason, salon } from "./operator.ts";
import { say } from "./say.ts";

export function Export({ id }: { id: string }) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState("");
  const take = async (): Promise<void> => {
    setBusy(true);
    setFailure("");
    try {
      await save(salon, `/admin/people/${encodeURIComponent(id)}/export`, `${id}.zip`);
      say("The data is saved.");
    } catch (error) {
      setFailure(reason(error));
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" class="button" disabled={busy} title="What they said, their files and memberships, as a ZIP archive. The audit records it." onClick={() => void take()}>
        {busy ? "Exporting…" : "Export"}
      </button>
      <Failure text={failure} />
    </>
  );
}
