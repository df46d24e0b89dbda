// A process for drop-segments.test.ts: appends entries forever, and keeps few of them. Prints a line
// once it has dropped some.
import { createAuditLog } from "../core/audit-log.ts";
import { dropEntries } from "../core/drop-entries.ts";
import { openAuditSegments } from "../edge/store/audit-segments.ts";
import { dropSegments, findOutdated } from "../edge/store/drop-segments.ts";
import { buildRecord } from "./audit-record.ts";

const folder = process.argv[2] as string;
const segments = openAuditSegments(folder, { bytes: 2 * 1024, ms: Infinity });
const log = createAuditLog(segments, segments.head);
const archive = {
  findOutdated: () => findOutdated(folder, { days: 400, bytes: 8 * 1024 }, null),
  drop: (upTo: number) => dropSegments(folder, upTo),
};
for (let index = 0; ; index += 1) {
  await log.append(buildRecord(index));
  const dropped = await dropEntries(log, archive, null, (detail) => ({
    ...buildRecord(index),
    event: "log.dropped",
    detail,
  }));
  if (dropped !== null) process.stdout.write(`${dropped.head.size}\n`);
}
