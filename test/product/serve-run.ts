import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveTestDatabases } from "../../foundation/database/src/testing/index.ts";

const CACHE = "NODE_COMPILE_CACHE";

/**
 * Vitest's global set-up of every run: what its test files share. One PostgreSQL gives each
 * its databases, and the programs that tests start on their sources are compiled once.
 *
 * @returns ends it
 */
export async function setup(): Promise<() => Promise<void>> {
  const stop = await serveTestDatabases();
  const cache =
    process.env[CACHE] === undefined ? mkdtempSync(join(tmpdir(), "sonde-code-")) : null;
  if (cache !== null) {
    // As root, tests run services as users of their own, who keep what they compiled here too.
    chmodSync(cache, 0o1777);
    process.env[CACHE] = cache;
  }
  return async () => {
    await stop?.();
    if (cache !== null) {
      delete process.env[CACHE];
      rmSync(cache, { recursive: true, force: true });
    }
  };
}
