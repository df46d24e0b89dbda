import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { checkOwnedFolder } from "@sonde/files";
import { toSondeError } from "@sonde/schemas/errors";
import { listGrantedGroups } from "../agent/grant-files.ts";
import { instanceOf } from "../agent/runner-units.ts";
import { findGids } from "../group-file.ts";
import type { Child } from "../start/child.ts";

/** How soon a new grant has its runner; `sonde-agent approve` waits for some seconds. */
const LOOK_MS = 1000;
/** The runner that every agent has. */
const NO_GROUPS = "no-groups";

export type RunnerPlan = {
  /** The folder of the runners' sockets; the agent expects of each the groups of its name. */
  sockets: string;
  /** The folder of the grants, which name groups. */
  grants: string;
  /** Whether runners may have groups, which only root can give. */
  mayHaveGroups: boolean;
  start: (name: string, gids: number[], socket: string) => Promise<Child>;
  /** Tells a person. */
  say: (text: string) => void;
};

/** A runner's gids by its name, and what keeps others from being started. */
type Wanted = { runners: Map<string, number[]>; problems: string[] };

/**
 * Keeps the runner without groups, and one for each set of groups that a grant names, as
 * `sonde-agent approve` and `revoke` change the grants.
 */
export async function keepRunners(plan: RunnerPlan): Promise<{ stop(): Promise<void> }> {
  const running = new Map<string, Child>();
  let said: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;
  let isStopping = false;

  /** Does what the grants ask for now. Grants that cannot be read change nothing. */
  async function look(): Promise<void> {
    let problems: string[] = [];
    try {
      const wanted = findWanted(plan);
      ({ problems } = wanted);
      await startAndStop(wanted.runners);
    } catch (thrown) {
      problems.push(toSondeError(thrown).message);
    }
    for (const problem of problems) if (!said.includes(problem)) plan.say(problem);
    said = problems;
    if (!isStopping) timer = setTimeout(lookAgain, LOOK_MS);
  }

  function lookAgain(): void {
    looking = look();
  }

  async function startAndStop(wanted: Map<string, number[]>): Promise<void> {
    for (const [name, runner] of running) {
      if (wanted.has(name)) continue;
      running.delete(name);
      // The agent leaves a runner whose socket is gone.
      rmSync(socketOf(plan, name), { force: true });
      await runner.stop();
    }
    for (const [name, gids] of wanted) {
      if (!running.has(name)) {
        running.set(name, await plan.start(name, gids, socketOf(plan, name)));
      }
    }
  }

  await startAndStop(new Map([[NO_GROUPS, []]]));
  await look();
  return {
    async stop() {
      isStopping = true;
      clearTimeout(timer);
      await looking;
      await Promise.all([...running.values()].map((runner) => runner.stop()));
    },
  };
}

/** @throws SondeError CONFIG_INVALID for a folder or a file that is not what root has written */
function findWanted({ grants, mayHaveGroups }: RunnerPlan): Wanted {
  const runners = new Map<string, number[]>([[NO_GROUPS, []]]);
  const problems: string[] = [];
  checkOwnedFolder(grants, [0, process.getuid?.() ?? 0]);
  const groupFile = readFileSync("/etc/group", "utf8");
  for (const groups of listGrantedGroups(grants)) {
    const name = instanceOf(groups);
    if (!mayHaveGroups) {
      problems.push(`Only root can start a runner in ${name}; the pack that needs it waits.`);
      continue;
    }
    try {
      runners.set(name, findGids(groups, groupFile));
    } catch (thrown) {
      problems.push(toSondeError(thrown).message);
    }
  }
  return { runners, problems };
}

function socketOf({ sockets }: RunnerPlan, name: string): string {
  return join(sockets, `${name}.sock`);
}
