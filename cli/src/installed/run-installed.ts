import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeFolder, presentOwner } from "../start/make-folder.ts";
import { type Account, findInstalledAccount } from "../start/system-users.ts";
import { keepRunners } from "./keep-runners.ts";
import { type InstalledPlace, openSupervisor, type Supervisor } from "./supervisor.ts";

/** What runs until `stop`, which ends all of it in order. */
export type Running = { stop(): Promise<void> };

/**
 * Runs an installed hub or registry as its own user, or as the present one without root.
 *
 * @throws SondeError with the service's own code when it cannot start
 */
export async function runService(
  role: "hub" | "registry",
  place: InstalledPlace,
  say: (text: string) => void,
): Promise<Running> {
  const account = findInstalledAccount(role);
  const supervisor = await openSupervisor(place, say);
  try {
    const config = supervisor.configure(role, account, { supervised: true });
    const child = await supervisor.start({ role, account, program: role, config });
    say(`The ${role} runs.`);
    return {
      async stop() {
        await child.stop();
        supervisor.end();
      },
    };
  } catch (thrown) {
    supervisor.end();
    throw thrown;
  }
}

/**
 * Runs an installed agent and its runners: the one without groups, and one for each set of groups
 * that a grant names. Without root all of them are the present user, and none has groups.
 *
 * @throws SondeError with the agent's own code when it cannot start
 */
export async function runAgent(
  place: InstalledPlace & { grants: string },
  say: (text: string) => void,
): Promise<Running> {
  const [agent, runner] = [findInstalledAccount("agent"), findInstalledAccount("runner")];
  const supervisor = await openSupervisor(place, say);
  try {
    const runners = await startRunners(place, supervisor, { agent, runner }, say);
    try {
      const config = supervisor.configure("agent", agent, {
        ...{ supervised: true, runnerSockets: socketsOf(place) },
        ...(!supervisor.separate && { sameUid: true }),
      });
      const child = await supervisor.start({
        ...{ role: "agent", account: agent, program: "agent", config },
      });
      say("The agent runs.");
      return {
        async stop() {
          // The agent first: it still has answers to finish.
          await child.stop();
          await runners.stop();
          supervisor.end();
        },
      };
    } catch (thrown) {
      await runners.stop();
      throw thrown;
    }
  } catch (thrown) {
    supervisor.end();
    throw thrown;
  }
}

const socketsOf = ({ run }: InstalledPlace): string => join(run, "runners");

async function startRunners(
  place: InstalledPlace & { grants: string },
  supervisor: Supervisor,
  { agent, runner }: { agent: Account; runner: Account },
  say: (text: string) => void,
) {
  const { separate } = supervisor;
  const sockets = socketsOf(place);
  // Behind those of an earlier start nobody answers.
  rmSync(sockets, { recursive: true, force: true });
  // Only root makes sockets here, and only the agent can reach them.
  makeFolder(sockets, 0o750, { uid: presentOwner().uid, gid: agent.gid });
  const config = supervisor.configure("runner", runner, {
    ...{ supervised: true, heartbeat: true },
    // Nobody but this process would start it again.
    endWithAgent: false,
    ...(!separate && { sameUid: true }),
  });
  return await keepRunners({
    ...{ sockets, grants: place.grants, mayHaveGroups: separate, say },
    start: (name, gids, path) =>
      supervisor.start({
        ...{ role: `runner-${name}`, account: runner, program: "runner", config },
        runner: { gids, socket: { path, owner: separate ? agent : null } },
      }),
  });
}
