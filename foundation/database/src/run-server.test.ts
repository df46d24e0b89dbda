import { expect, test } from "vitest";
import { findReason } from "./run-server.ts";

// As initdb 15 and its server print them.
const INITDB = `creating directory /x ... ok
2026-11-29 00:09:39.123 UTC [77] PANIC:  could not write to file "pg_wal/xlogtemp.77": No space left on device
child process was terminated by signal 6: Aborted
initdb: removing data directory "/x"
`;

test.each([
  [INITDB, 'PANIC:  could not write to file "pg_wal/xlogtemp.77": No space left on device'],
  [
    'initdb: error: could not create directory "/x": No space left on device\ninitdb: removing data directory "/x"',
    'error: could not create directory "/x": No space left on device',
  ],
  ["something else\nat the end", "at the end"],
  ["", "it said nothing"],
])("of what PostgreSQL says, the error is told", (said, reason) => {
  expect(findReason(said)).toBe(reason);
});
