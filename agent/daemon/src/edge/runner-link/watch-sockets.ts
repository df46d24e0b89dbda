import { type FSWatcher, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { RunnerPlace } from "./runner-post.ts";

const RETRY_MS = 1_000;
/** The socket of the runner without groups. */
const NO_GROUPS = "no-groups";
/** Names of groups as groupadd(8) takes them, joined by colons, which no name has. */
const NAME = /^([a-z_][a-z0-9_-]{0,31}(?::[a-z_][a-z0-9_-]{0,31})*)(\.network)?\.sock$/;

/**
 * Watches the folder of the runners' sockets, where only root makes one: `no-groups.sock`,
 * `docker.sock`, `adm:docker.sock`, `no-groups.network.sock`. The name says the groups that root gave
 * the runner, and whether it may reach other hosts. A folder
 * that goes away counts as empty until it is back.
 *
 * @param onPlaces is called now and after each change, with every place
 * @returns ends the watch
 * @throws SondeError CONFIG_INVALID when the folder cannot be read
 */
export function watchSockets(
  { folder, restAfterMs }: { folder: string; restAfterMs: number },
  onPlaces: (places: RunnerPlace[]) => void,
  log: (event: string, detail: string) => void,
): () => void {
  let watcher: FSWatcher | undefined;
  let retry: NodeJS.Timeout | undefined;
  let isThere = true;

  /** Watches anew, since another folder may have taken the place of the watched one. */
  function look(): void {
    clearTimeout(retry);
    watcher?.close();
    watcher = watch(folder, { persistent: false }, lookAgain).on("error", lookAgain);
    onPlaces(listPlaces(folder, restAfterMs));
    isThere = true;
  }

  function lookAgain(): void {
    try {
      look();
    } catch (thrown) {
      if (isThere) log("runners-unreadable", String(thrown));
      isThere = false;
      onPlaces([]);
      retry = setTimeout(lookAgain, RETRY_MS).unref();
    }
  }

  const stop = (): void => {
    clearTimeout(retry);
    watcher?.close();
  };
  try {
    look();
  } catch (cause) {
    stop();
    const message = `${folder}: expected the folder of the runners' sockets, which the agent can read`;
    throw new SondeError("CONFIG_INVALID", message, { cause });
  }
  return stop;
}

function listPlaces(folder: string, restAfterMs: number): RunnerPlace[] {
  return readdirSync(folder).flatMap((file) => {
    const [, name, network] = NAME.exec(file) ?? [];
    if (name === undefined) return [];
    const groups = name === NO_GROUPS ? [] : name.split(":");
    const reachesHosts = network !== undefined;
    return [{ socketPath: join(folder, file), groups, reachesHosts, restAfterMs }];
  });
}
