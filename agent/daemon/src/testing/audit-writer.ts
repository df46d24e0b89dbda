// A process for audit-segments.test.ts: appends entries forever and prints the sequence
// number of each acknowledged entry.
import { createAuditLog } from "../core/audit-log.ts";
import { openAuditSegments } from "../edge/store/audit-segments.ts";
import { buildRecord } from "./audit-record.ts";

const segments = openAuditSegments(process.argv[2] as string, { bytes: 16 * 1024, ms: Infinity });
const log = createAuditLog(segments, segments.head);
process.stdout.write("open\n");
for (;;) {
  const heads = await Promise.all([1, 2, 3, 4].map((index) => log.append(buildRecord(index))));
  for (const head of heads) process.stdout.write(`${head.size}\n`);
}
