import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveTestDatabases } from "../../foundation/database/src/testing/index.ts";

const CACHE = "NODE_COMPILE_CACHE";

/**
 * Vitest's global set-up of every run. One PostgreSQL serves the databases of all test files, and
 * the programs that tests start from source are compiled once.
 *
 * @returns a function that ends it
 */
export async function setup(): Promise<() => Promise<void>> {
  const stop = await serveTestDatabases();
  const cache =
    process.env[CACHE] === undefined ? mkdtempSync(join(tmpdir(), "sonde-code-")) : null;
  if (cache !== null) {
    // Running as root, tests start services as other users, who store their compiled code here too.
    chmodSync(cache, 0o1777);
    process.env[CACHE] = cache;
  }
  return async () => {
    await stop?.();
    if (cache !== null) {
      delete process.env[CACHE];
      // A program that is still ending stores what it compiled.
      rmSync(cache, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    }
  };
}
