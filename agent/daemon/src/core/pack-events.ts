import type { PackReport } from "@sonde/schemas/wire";
import type { AgentEvent } from "./record-event.ts";

/** Builds one event for each pack version whose report changed and for each that was removed. */
export function listPackEvents(before: PackReport[], after: PackReport[]): AgentEvent[] {
  const known = new Map(before.map((report) => [report.digest, report]));
  const now = new Set(after.map(({ digest }) => digest));
  const gone = before.filter(({ digest }) => !now.has(digest));
  const changed = after.filter(
    (report) => JSON.stringify(known.get(report.digest)) !== JSON.stringify(report),
  );
  return [...gone.map((old) => ({ ...old, state: "removed" })), ...changed].map(
    ({ name, version, state, digest, probes, approved, reason }) => ({
      event: "pack.state",
      packDigest: digest,
      status: "info",
      code: reason?.code ?? null,
      detail: {
        pack: name,
        version,
        state,
        probes: probes.length,
        approvedBy: approved?.by ?? null,
      },
    }),
  );
}
