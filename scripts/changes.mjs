// Asks git what has changed, including the working tree.
import { spawnSync } from "node:child_process";

/** @param {string} root a git work tree */
export function openChanges(root) {
  /** @returns {string | null} git's output; null when git fails */
  const git = (...args) => {
    const { status, stdout } = spawnSync("git", args, {
      cwd: root,
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    return status === 0 ? stdout : null;
  };
  const line = (...args) => git(...args)?.trim() || null;
  return {
    /** @returns {string | null} the commit that is checked out; null without git */
    head: () => line("rev-parse", "HEAD"),
    /**
     * @param {string} ref
     * @returns {string | null} the newest common ancestor with HEAD; null for an unknown name
     */
    forkPoint: (ref) => line("merge-base", ref, "HEAD"),
    /**
     * Files that differ from a commit, new and untracked ones among them. Deleted files, and files
     * that were moved without a change, are left out.
     *
     * @param {string} base
     * @returns {string[]} sorted paths
     */
    since(base) {
      const changed = new Set();
      const words = git("diff", "--name-status", "-z", "-M50%", "-l0", base)?.split("\0") ?? [];
      while (words.length > 1) {
        const status = words.shift();
        const path = words.shift();
        if (!/^[RC]/.test(status)) {
          if (status !== "D") changed.add(path);
          continue;
        }
        const now = words.shift();
        if (status !== "R100") changed.add(now);
      }
      const untracked = git("ls-files", "--others", "--exclude-standard", "-z")?.split("\0") ?? [];
      for (const path of untracked) if (path !== "") changed.add(path);
      return [...changed].sort();
    },
  };
}
