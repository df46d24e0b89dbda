import { SondeError } from "@sonde/schemas/errors";
import type { AuditLog } from "../core/audit-log.ts";
import type { DroppedStore } from "./dropped-store.ts";

/** A call that is not there is not one that never was. */
export async function explainMissingCall(
  auditLog: Pick<AuditLog, "readHead">,
  dropped: Pick<DroppedStore, "find">,
): Promise<SondeError> {
  const { size: to } = await auditLog.readHead();
  const found = await dropped.find({ from: 1, to });
  const plain = "expected the id of an admitted call";
  if (found === null) return new SondeError("NOT_FOUND", plain);
  return new SondeError(
    "NOT_FOUND",
    `${plain}. If it was before ${found.until}, it may be among the entries up to ${found.to}, whose content was dropped.`,
  );
}
