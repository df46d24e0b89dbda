import type { SourceRules } from "../source-rules.ts";

/** What reading the mount table needs, whatever the manifest. */
const MOUNT_TABLE = "/proc/self/mountinfo";

export const filesystemRules: SourceRules<"filesystem"> = {
  title: "Measures every mounted file system",
  words: () => [],
  check() {
    // It has nothing but its limits.
  },
  level: () => "observe",
  needs: () => ({ files: MOUNT_TABLE }),
  describe: () => "statfs of every mount",
};
