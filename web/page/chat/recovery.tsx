/** The recovery code of the guest at this page, for as long as it is shown. */

import { Code } from "./code.tsx";
import { forgetCode, recoveryCode } from "./session.ts";
import { toasts } from "./toast.ts";

export function RecoveryCode() {
  const code = recoveryCode.value;
  return code === null ? null : <Code code={code} keep={forgetCode} toast={toasts.show} />;
}
