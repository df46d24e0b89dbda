import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { DataLayout } from "../data-layout.ts";
import type { BackupHome, BackupPlace } from "../operator/run-hub-backup.ts";
import { installRuntime, type Runtime } from "./install-runtime.ts";
import { ownDataFolder } from "./own-data-folder.ts";
import { prepareFolders } from "./prepare-data.ts";
import { type Accounts, asAccount, ensureAccounts } from "./system-users.ts";

const PROGRAM = "hub-backup.js";

/**
 * The hub of a data folder of `npm start`.
 *
 * @param dist the bundles
 */
export function createBackupHome(layout: DataLayout, dist: string): BackupHome {
  const placeOf = (runtime: Runtime, accounts: Accounts): BackupPlace => ({
    hub: layout.hub,
    owner: accounts.separate ? accounts.hub : null,
    program: asAccount(accounts, accounts.hub, [], [runtime.node, join(runtime.folder, PROGRAM)]),
  });
  return {
    configFolder: layout.config,
    toBackUp() {
      const accounts = ensureAccounts();
      return placeOf(findRuntime(layout, dist, accounts), accounts);
    },
    async toRestore() {
      // Nothing of this folder runs, and nothing of it starts meanwhile.
      await ownDataFolder(layout);
      const accounts = ensureAccounts();
      prepareFolders(layout, accounts);
      return placeOf(installRuntime(dist, layout.runtime, accounts.separate), accounts);
    },
    next: `npm start -- --data ${layout.root}`,
  };
}

/** The programs of the hub that runs. Installing those of another build would remove them. */
function findRuntime(layout: DataLayout, dist: string, { separate }: Accounts): Runtime {
  if (!separate) return installRuntime(dist, layout.runtime, separate);
  const builds = existsSync(layout.runtime) ? readdirSync(layout.runtime) : [];
  const folder = builds
    .map((name) => join(layout.runtime, name))
    .find((path) => existsSync(join(path, PROGRAM)));
  if (folder !== undefined) return { folder, node: join(folder, "node") };
  throw new SondeError("NOT_FOUND", `expected a hub in ${layout.root}; start Sonde once`);
}
