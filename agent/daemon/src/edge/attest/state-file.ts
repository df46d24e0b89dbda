import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import type { Digest } from "@sonde/schemas/names";
import type { StatedFile } from "@sonde/schemas/wire";
import type { FileMemo } from "./file-memo.ts";

const READ = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * States one file as it lies there now. Links are followed, since the agent's starter follows them.
 *
 * @returns null when there is no such file
 */
export async function stateFile(
  memo: FileMemo,
  kind: string,
  path: string,
): Promise<StatedFile | null> {
  const found = await memo.of(`file ${path}`, [path], () => look(path));
  return found === null ? null : { kind, path, ...found };
}

type Look = Pick<StatedFile, "sha256" | "seen">;

async function look(path: string): Promise<Look | null> {
  try {
    const sha256 = await digestOf(path);
    if (sha256 !== null) return { sha256 };
    const { size, mtime, ctime } = await stat(path);
    const times = `modified ${mtime.toISOString()} changed ${ctime.toISOString()}`;
    return { sha256: null, seen: `size ${size} ${times}` };
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT" || codeOf(thrown) === "ENOTDIR") return null;
    return { sha256: null, seen: codeOf(thrown) };
  }
}

/** @returns null for a file that this user may not read, and for what is no regular file */
async function digestOf(path: string): Promise<Digest | null> {
  let file;
  try {
    file = await open(path, READ);
  } catch (thrown) {
    if (codeOf(thrown) === "EACCES") return null;
    throw thrown;
  }
  try {
    if (!(await file.stat()).isFile()) return null;
    const hash = createHash("sha256");
    // In pieces, so that calls are answered meanwhile: the runtime has 120 MB.
    for await (const piece of file.createReadStream({ autoClose: false })) {
      hash.update(piece as Buffer);
    }
    return `sha256:${hash.digest("hex")}`;
  } finally {
    await file.close();
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "unknown";
}
