import { probe, t } from "@sonde/pack-sdk/author";
import * as sources from "./sources.ts";

export const usage = probe({
  description: "How much disk the systemd journal takes. For other logs use logs_files.",
  result: t.object({
    diskBytes: t.integer({ description: "as journalctl rounds it" }),
    warnings: t.string({ description: "of journalctl; usually empty" }),
  }),
  reads: { usage: sources.diskUsage },
  run({ reads: { usage: look } }) {
    if (look.diskBytes === undefined) throw new Error("expected a size of the journal, got none");
    return { diskBytes: look.diskBytes, warnings: look.warnings };
  },
});
