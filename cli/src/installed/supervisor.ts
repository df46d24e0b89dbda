import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { readOwnedFile, replaceFile, takeLock } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import type { Child } from "../start/child.ts";
import type { Runtime } from "../start/install-runtime.ts";
import { endLeftServices, guardServices } from "../start/left-services.ts";
import { makeFolder, presentOwner } from "../start/make-folder.ts";
import { type ServiceHome, type ServiceToStart, startService } from "../start/start-service.ts";
import type { Account } from "../start/system-users.ts";

/** Where a package has put a service; see scripts/package. */
export type InstalledPlace = {
  /** Its programs, and the Node that runs them. */
  runtime: Runtime;
  /** The administrator's folder. */
  settings: string;
  /** A folder that only root, or without root the present user, writes to. */
  run: string;
};

const MAX_CONFIG_BYTES = 256 * 1024;

/** Keeps an installed service running where no systemd does. */
export type Supervisor = {
  /** Whether each process has its own user, which only root can give. */
  separate: boolean;
  /**
   * Writes a service's configuration with other values for these keys, readable for its group.
   *
   * @returns its path
   */
  configure(name: string, account: Account, changes: object): string;
  start(service: ServiceToStart): Promise<Child>;
  /** Says that the services may stop: nothing is left to guard. Call it when they have. */
  end(): void;
};

/**
 * Takes a service's run folder for this process.
 *
 * @param say tells a person
 * @throws SondeError ALREADY_RUNNING when another process has it
 */
export async function openSupervisor(
  { runtime, settings, run }: InstalledPlace,
  say: (text: string) => void,
): Promise<Supervisor> {
  // What other users must read does not depend on the umask of the person who starts.
  process.umask(0o022);
  const separate = process.getuid?.() === 0;
  // The services' users find their configuration there, and can list nothing.
  makeFolder(run, 0o711, presentOwner());
  if (takeLock(join(run, "run.lock")) === null) {
    throw new SondeError("ALREADY_RUNNING", `expected ${run} to be free, got one that is in use`);
  }
  const home: ServiceHome = {
    ...{ runtime, accounts: { separate }, services: join(run, "services") },
    ...{ logs: null, env: process.env, say },
  };
  await endLeftServices(home, say);
  mkdirSync(home.services, { mode: 0o700 });
  const end = guardServices(home);
  return {
    separate,
    configure(name, { gid }, changes) {
      const from = join(settings, `${name}.json`);
      const owners = [0, process.getuid?.() ?? 0];
      const known = parseJson(
        readOwnedFile(from, owners, MAX_CONFIG_BYTES),
        from,
        "CONFIG_INVALID",
      ) as object;
      const path = join(run, `${name}.json`);
      const text = `${JSON.stringify({ ...known, ...changes }, null, 2)}\n`;
      replaceFile(path, text, 0o640, gid);
      return path;
    },
    start: (service) => startService(home, service),
    end,
  };
}
