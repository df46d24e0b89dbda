import type { SourceRules } from "../source-rules.ts";

/** The mount table: what every source of this kind needs. */
const MOUNT_TABLE = "/proc/self/mountinfo";

export const filesystemRules: SourceRules<"filesystem"> = {
  title: "Measures every mounted file system",
  words: () => [],
  check() {
    // A source of this kind has limits only, and its schema checks them.
  },
  level: () => "observe",
  needs: () => ({ files: MOUNT_TABLE }),
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe: () => "statfs of every mount",
};
