import { join } from "node:path";
import { type Child, startChild } from "./child.ts";
import type { Runtime } from "./install-runtime.ts";
import { recorded } from "./left-services.ts";
import type { SocketPlace } from "./listening-socket.ts";
import { type Account, type Accounts, asAccount } from "./system-users.ts";

/** What the services of one supervisor have in common. */
export type ServiceHome = {
  runtime: Runtime;
  accounts: Pick<Accounts, "separate">;
  /** The folder of the records of which process each service is. */
  services: string;
  /** The folder of their logs; null where they write to this process's standard error. */
  logs: string | null;
  env: NodeJS.ProcessEnv;
  /** Tells a person. */
  say: (text: string) => void;
};

export type ServiceToStart = {
  /** The name of its process and log. */
  role: string;
  account: Account;
  /** Its bundle, without the ending. */
  program: string;
  /** The path of its configuration. */
  config: string;
  /** Given for a runner: its groups, and where the agent reaches it. */
  runner?: { gids: number[]; socket: SocketPlace };
};

/** Starts a service without any right, and keeps it running; see startChild. */
export function startService(home: ServiceHome, service: ServiceToStart): Promise<Child> {
  const { role, account, program, config, runner } = service;
  const line = serviceCommand(home, account, program, [config], runner?.gids);
  return startChild({
    role,
    ...recorded(home, role, line),
    logFile: home.logs === null ? null : join(home.logs, `${role}.log`),
    env: serviceEnvironment(home),
    announces: runner === undefined,
    // Runners print no ready line. They perform the reads of packs, which can hang, so they beat.
    beats: runner !== undefined,
    say: home.say,
    ...(runner !== undefined && { listensAt: runner.socket }),
  });
}

/** The command line of a bundled program, as its user. */
export function serviceCommand(
  { accounts, runtime }: Pick<ServiceHome, "accounts" | "runtime">,
  account: Account,
  program: string,
  args: string[],
  gids: number[] = [],
): { command: string; args: string[] } {
  const bundle = join(runtime.folder, `${program}.js`);
  return asAccount(accounts, account, gids, [
    runtime.node,
    ...serviceFlags(program),
    bundle,
    ...args,
  ]);
}

/**
 * Options of Node for a service. Memory before speed at the start: a small young generation, because
 * services hold little; the built-in functions of V8 where every process of this Node shares them,
 * and not a copy for each; and no start-up snapshot, whose pages stay in memory.
 * The hub's young generation is larger. It holds what all calls in flight need, and what is moved out
 * of it too early costs each call more (ADR 0082).
 * No debugger: another process of the user could start it with SIGUSR1 and speak to it.
 *
 * @param program its bundle's name, such as `hub`
 */
export function serviceFlags(program: string): string[] {
  const semiSpaceMb = program === "hub" ? 4 : 1;
  return [
    `--max-semi-space-size=${semiSpaceMb}`,
    "--no-short-builtin-calls",
    "--no-node-snapshot",
    "--disable-sigusr1",
  ];
}

/** Only what a program needs; no variable of the person's shell reaches a service. */
function serviceEnvironment({ accounts, env }: ServiceHome): NodeJS.ProcessEnv {
  const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
  return accounts.separate ? { PATH } : { PATH, HOME: env["HOME"] ?? "/" };
}
