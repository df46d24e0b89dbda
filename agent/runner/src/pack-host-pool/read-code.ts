import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { SondeError } from "@sonde/schemas/errors";
import { errnoOf } from "../powers/read-failure.ts";

const MAX_CODE_BYTES = 8 * 1024 * 1024;

/**
 * Reads a pack's code and checks its digest. Every start of a pack host does this,
 * because the file may have changed since its verification.
 *
 * @throws SondeError DIGEST_MISMATCH; PACK_NOT_ACTIVE when the file cannot be read
 */
export async function readCode(path: string, sha256: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new SondeError("PACK_NOT_ACTIVE", `the pack's code: ${errnoOf(error) ?? "unreadable"}`);
  }
  const actual = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (actual !== sha256 || bytes.length > MAX_CODE_BYTES) {
    throw new SondeError("DIGEST_MISMATCH", `expected code ${sha256}, got ${actual}`);
  }
  return bytes;
}
