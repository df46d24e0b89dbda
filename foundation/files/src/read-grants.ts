import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type GrantFile, parseGrantFile } from "@sonde/schemas/agent";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { checkOwnedFolder, readOwnedFile } from "./read-owned.ts";

/** What people approved on this host. */
export type GrantFolder = {
  byPack: ReadonlyMap<string, GrantFile>;
  /** Each ignored file, or the whole folder, with the reason. */
  refused: readonly { file: string; reason: string }[];
  /**
   * Why a grant file of this pack does not count although it may exist; null when nothing was
   * refused.
   */
  whyRefused: (pack: string) => string | null;
  /**
   * Packs that a person revoked on this host. Nobody elsewhere can grant them anything until a person
   * on this host approves them again.
   */
  revoked: ReadonlySet<string>;
};

const MAX_GRANT_BYTES = 256 * 1024;
const MAX_GRANT_FILES = 500;
const REVOKED = ".revoked";

/**
 * Reads the grants of this host. A file counts only when nobody but a trusted owner can
 * have written it. Any other file is ignored and reported, so an error in one file never
 * changes the grant of another pack. A folder that others may write to holds no grants at
 * all.
 */
export function readGrants(folder: string, owners: readonly number[]): GrantFolder {
  const byPack = new Map<string, GrantFile>();
  const refused: { file: string; reason: string }[] = [];
  const revoked = new Set<string>();
  const attempt = (file: string, read: () => void): void => {
    try {
      read();
    } catch (thrown) {
      refused.push({ file, reason: toSondeError(thrown).message });
    }
  };
  attempt(folder, () => {
    checkOwnedFolder(folder, owners);
    const present = readdirSync(folder);
    // Whatever it has in it: nobody else can make a file here.
    for (const name of present) {
      if (name.endsWith(REVOKED)) revoked.add(name.slice(0, -REVOKED.length).replace("--", "/"));
    }
    const names = present.filter((name) => name.endsWith(".json"));
    for (const name of names.sort().slice(0, MAX_GRANT_FILES)) {
      attempt(name, () => {
        const grant = readGrant(folder, name, owners);
        byPack.set(grant.pack, grant);
      });
    }
  });
  const whyRefused = (pack: string): string | null =>
    refused.find(({ file }) => file === folder || file === fileOf(pack))?.reason ?? null;
  return { byPack, refused, whyRefused, revoked };
}

/** The name of the file by which a pack stays revoked on this host. */
export function revokedFileOf(pack: string): string {
  return `${pack.replace("/", "--")}${REVOKED}`;
}

function fileOf(pack: string): string {
  return `${pack.replace("/", "--")}.json`;
}

function readGrant(folder: string, name: string, owners: readonly number[]): GrantFile {
  const bytes = readOwnedFile(join(folder, name), owners, MAX_GRANT_BYTES);
  const grant = parseGrantFile(parseJson(bytes, name, "CONFIG_INVALID"));
  const expected = fileOf(grant.pack);
  if (name !== expected) throw new SondeError("CONFIG_INVALID", `expected the name ${expected}`);
  return grant;
}
