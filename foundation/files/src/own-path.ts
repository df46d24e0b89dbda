import { lstatSync, mkdirSync, readlinkSync, type Stats } from "node:fs";
import { resolve } from "node:path";
import { SondeError } from "@sonde/schemas/errors";

const MAX_LINKS = 40;
const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * For root, checks that nobody else can replace a folder or what is in it: each folder and link on
 * the way belongs to root, and others may write at most to one with the sticky bit, such as /tmp,
 * where only the owner of an entry can replace it. What is missing yet is accepted. Another user
 * has no more to lose than that user, so only kinds are checked.
 *
 * @param path absolute
 * @param make whether missing folders are made, with mode 0755
 * @returns the path without links
 * @throws SondeError RIGHT_MISSING naming the first folder that is another's
 */
export function requireOwnPath(path: string, make = false): string {
  const rest = path.split("/").filter((part) => part !== "");
  let folder = "/";
  let links = 0;
  const isRoot = process.getuid?.() === 0;
  for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
    const entry = resolve(folder, part);
    const stats = lstatOrMake(entry, make);
    if (stats === null) return resolve(entry, ...rest);
    if (isRoot) requireOwner(entry, stats);
    if (stats.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw refusal(entry, "it is one of too many links");
      const target = resolve(folder, readlinkSync(entry));
      rest.unshift(...target.split("/").filter((name) => name !== ""));
      folder = "/";
      continue;
    }
    if (!stats.isDirectory()) throw refusal(entry, "it is no folder");
    const isWritable = (stats.mode & WRITABLE_BY_OTHERS) !== 0;
    if (isRoot && isWritable && ((stats.mode & STICKY) === 0 || rest.length === 0)) {
      throw refusal(entry, "others may write to it");
    }
    folder = entry;
  }
  return folder;
}

function requireOwner(entry: string, { uid }: Stats): void {
  if (uid !== 0) throw refusal(entry, `it belongs to user ${uid}`);
}

function refusal(entry: string, why: string): SondeError {
  return new SondeError(
    "RIGHT_MISSING",
    `expected a folder that nobody else can change, but of ${entry}: ${why}`,
  );
}

function lstatOrMake(entry: string, make: boolean): Stats | null {
  try {
    const stats = lstatSync(entry, { throwIfNoEntry: false });
    if (stats !== undefined) return stats;
    if (!make) return null;
    makeFolder(entry);
    return lstatSync(entry);
  } catch (cause) {
    throw new SondeError("RIGHT_MISSING", `cannot use or make the folder ${entry}`, { cause });
  }
}

/** Another start may make the same folder at the same moment. */
function makeFolder(entry: string): void {
  try {
    mkdirSync(entry, { mode: 0o755 });
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")) throw thrown;
  }
}
