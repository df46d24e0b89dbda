import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { IDENTITY_FILES, type IdentityFile } from "./identity.ts";
import { syncDirectory } from "./sync-directory.ts";

export type NewIdentity = {
  /** PKCS#8 in PEM. */
  key: string;
  certificate: string;
  ca: string;
  identity: IdentityFile;
};

/**
 * Writes a new identity atomically and durably: a crash leaves the old one or the new
 * one, never a mixture. Keeps one earlier identity beside it.
 *
 * @param folder `<stateDir>/identity`
 */
export function writeIdentity(folder: string, identity: NewIdentity): void {
  const fresh = `${folder}.new`;
  const previous = `${folder}.previous`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  writeDurably(join(fresh, IDENTITY_FILES.key), identity.key, 0o600);
  writeDurably(join(fresh, IDENTITY_FILES.certificate), identity.certificate, 0o644);
  writeDurably(join(fresh, IDENTITY_FILES.ca), identity.ca, 0o644);
  const text = `${JSON.stringify(identity.identity, null, 2)}\n`;
  writeDurably(join(fresh, IDENTITY_FILES.identity), text, 0o644);
  syncDirectory(fresh);
  rmSync(previous, { recursive: true, force: true });
  renameIfPresent(folder, previous);
  renameSync(fresh, folder);
  syncDirectory(dirname(folder));
}

function writeDurably(path: string, text: string, mode: number): void {
  const fd = openSync(path, "wx", mode);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function renameIfPresent(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT")) throw thrown;
  }
}
