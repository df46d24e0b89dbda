import { execFileSync } from "node:child_process";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");
const CREATE_USERS = `import { ensureAccounts } from "${root}/cli/src/start/system-users.ts"; ensureAccounts();`;

/**
 * Vitest's global set-up of the end-to-end files, two of which run in parallel. It creates, before
 * the first start, what every start would otherwise create once per machine.
 */
export function setup(): void {
  execFileSync(process.execPath, [join(root, "scripts/bundle.mjs")]);
  const words = ["--conditions=sonde:source", "--input-type=module", "--eval", CREATE_USERS];
  execFileSync(process.execPath, words);
}
