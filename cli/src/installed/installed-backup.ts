import { execFileSync } from "node:child_process";
import { SondeError } from "@sonde/schemas/errors";
import { hasSystemd } from "../agent/has-systemd.ts";
import { INSTALLED, layoutOf } from "../data-layout.ts";
import type { BackupHome, BackupPlace } from "../operator/run-hub-backup.ts";
import { asAccount, findInstalledAccount } from "../start/system-users.ts";
import { readInstalledConfig } from "./installed-services.ts";

const PROGRAMS = "/usr/lib/sonde-hub";
const UNIT = "sonde-hub.service";

/** The hub of this host's package. */
export const installedBackupHome: BackupHome = {
  configFolder: INSTALLED,
  toBackUp: findPlace,
  toRestore() {
    requireStopped();
    const other = ["databaseUrl", "keysDir"].filter((name) => readInstalledConfig("hub").has(name));
    if (other.length > 0) {
      throw new SondeError(
        "BAD_REQUEST",
        `expected /etc/sonde-hub/hub.json without ${other.join(" and ")}: a restored hub has its keys and a PostgreSQL of its own in its state folder`,
      );
    }
    return Promise.resolve(findPlace());
  },
  next: "systemctl start sonde-hub",
};

function findPlace(): BackupPlace {
  const account = findInstalledAccount("hub");
  const words = [`${PROGRAMS}/node`, "--no-node-snapshot", `${PROGRAMS}/hub-backup.js`];
  return {
    hub: layoutOf(INSTALLED).hub,
    owner: account,
    program: asAccount({ separate: true }, account, [], words),
  };
}

/** A hub that starts meanwhile finds an empty folder, makes another hub there, and is not replaced. */
function requireStopped(): void {
  if (!hasSystemd()) return;
  const words = ["show", "--property=ActiveState", "--value", UNIT];
  const state = execFileSync("systemctl", words, { encoding: "utf8" }).trim();
  if (state === "inactive" || state === "failed") return;
  throw new SondeError(
    "ALREADY_RUNNING",
    `expected a hub that is stopped, it is ${state}; first: systemctl stop sonde-hub`,
  );
}
