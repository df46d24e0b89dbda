// Asks git what has changed, including the working tree.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

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
    /** @returns {string | null} the newest release that precedes this commit */
    lastRelease: () => line("describe", "--tags", "--match", "v*", "--abbrev=0"),
    /** @returns {string | null} the last commit that is older than a day */
    dayAgo: () => line("rev-list", "-1", "--before=1 day ago", "HEAD"),
    /**
     * @param {string} ref
     * @returns {string | null} the newest common ancestor with HEAD; null for an unknown name
     */
    forkPoint: (ref) => line("merge-base", ref, "HEAD"),
    /**
     * Files that differ from a commit: present path -> path in that commit, null for a new file.
     * Deleted files, and files that were moved without a change, are left out.
     *
     * @param {string} base
     * @returns {Map<string, string | null>}
     */
    since(base) {
      const changed = new Map();
      const words = git("diff", "--name-status", "-z", "-M50%", "-l0", base)?.split("\0") ?? [];
      while (words.length > 1) {
        const status = words.shift();
        const path = words.shift();
        if (!/^[RC]/.test(status)) {
          if (status !== "D") changed.set(path, status === "A" ? null : path);
          continue;
        }
        const now = words.shift();
        if (status !== "R100") changed.set(now, path);
      }
      const untracked = git("ls-files", "--others", "--exclude-standard", "-z")?.split("\0") ?? [];
      for (const path of untracked) if (path !== "") changed.set(path, null);
      return changed;
    },
    /** @returns {string | null} a file as it was in a commit */
    readAt: (commit, path) => git("show", `${commit}:${path}`),
    /** @returns {string | null} a file as it is now */
    readNow: (path) =>
      existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : null,
  };
}
