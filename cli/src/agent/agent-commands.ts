import { once } from "node:events";
import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { createInterface } from "node:readline/promises";
import { setTimeout } from "node:timers/promises";
import type { AgentStatus } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { expandPackName } from "@sonde/schemas/names";
import type { PackReport } from "@sonde/schemas/wire";
import { pickItems } from "@sonde/sources";
import type { Command } from "commander";
import { type AgentClient, createAgentClient } from "../agent-client.ts";
import { collect } from "../collect.ts";
import type { Print } from "../data-command.ts";
import { chooseItems, type ItemChoice } from "./choose-items.ts";
import { describePack, describeReport } from "./describe-pack.ts";
import { requireEndpoints } from "./endpoints.ts";
import { listGrantedRunners, needsOf, revokeGrant, writeGrant } from "./grant-files.ts";
import type { RunnerUnits } from "./runner-units.ts";

export type AgentOptions = { data?: string; json?: boolean };
type Options = AgentOptions & { yes?: boolean };
type ApproveOptions = AgentOptions & ItemChoice & { endpoint: string[] };

/** Where the agent of a command is. */
export type AgentPlace = {
  socket: string;
  grants: string;
  /** The folder of its audit log. */
  audit: string;
  /** What follows a command that is printed, so that it names the same agent. */
  suffix: string;
  /** Null where whoever starts the agent decides which runners there are. */
  runners: RunnerUnits | null;
};

/**
 * The commands of a host's administrator to the agent on this machine.
 *
 * @param add begins a command
 * @param placeOf finds the agent that the options of a command name
 */
export function addAgentCommands(
  add: (usage: string, description: string) => Command,
  placeOf: (options: AgentOptions) => AgentPlace,
  print: Print,
): void {
  const connect = (options: AgentOptions) => {
    const place = placeOf(options);
    return { client: createAgentClient(place.socket), place };
  };

  add("status", "connection, ceiling, runners and audit head").action(async (options: Options) => {
    const status = await connect(options).client.status();
    print(options.json ? JSON.stringify(status) : JSON.stringify(status, null, 2));
  });

  add("accept-hub", "accept the hub as it is now, although it was in a later state before")
    .option("--yes", "do not ask")
    .action(async (options: Options) => {
      const { client, place } = connect(options);
      const { hub } = await client.status();
      if (!options.json) print(describeSeenHub(hub));
      if (!options.yes && !(await confirm("Forget this state and accept the hub as it is now?"))) {
        throw new SondeError(
          "FORBIDDEN",
          `not accepted, nothing was changed; without a terminal: sonde agent accept-hub --yes${place.suffix}`,
        );
      }
      const status = await client.acceptHub();
      print(options.json ? JSON.stringify(status) : "The agent accepts its hub as it is.");
    });

  add("packs", "every pack of this host and its state").action(async (options: Options) => {
    const packs = await connect(options).client.packs();
    print(options.json ? JSON.stringify({ packs }) : packs.map(describeReport).join("\n"));
  });

  add("explain <pack>", "exactly what a pack would read; works before it ever runs").action(
    async (pack: string, options: Options) => {
      const shown = await connect(options).client.explain(qualify(pack));
      print(options.json ? JSON.stringify(shown) : describePack(shown));
    },
  );

  add("approve <pack>", "show what a pack asks for and grant it")
    .option("--yes", "do not ask")
    .option("--ask-each", "ask about each item by itself")
    .option("--only <item>", "grant this item and no other; can be repeated", collect, [])
    .option(
      "--endpoint <host:port>",
      "where the pack may connect to, if it asks for an <endpoint>; can be repeated",
      collect,
      [],
    )
    .action(async (pack: string, options: ApproveOptions) => {
      const { client, place } = connect(options);
      const shown = await client.explain(qualify(pack));
      const endpoints = requireEndpoints(shown, options.endpoint);
      if (!options.json) print(describePack(shown, endpoints));
      const items = await chooseItems(shown, options, confirm);
      if (items === null) {
        throw new SondeError(
          "FORBIDDEN",
          `not approved, nothing was changed; without a terminal: sonde agent approve ${shown.name} --yes${place.suffix}`,
        );
      }
      const needs = needsOf(pickItems(shown.requires, (item) => items.has(item)));
      for (const need of needs) place.runners?.give(need);
      writeGrant(place.grants, shown, { items, endpoints }, personOf(process.env), new Date());
      const mayWait = place.runners !== null && needs.length > 0;
      const report = await reloadUntilServed(client, shown.name, mayWait);
      place.runners?.keepOnly(listGrantedRunners(place.grants));
      print(options.json ? JSON.stringify(report) : describeReport(report));
    });

  add(
    "revoke <pack>",
    "delete a pack's grant; its probes disappear at once, and the hub cannot grant it again",
  ).action(async (pack: string, options: Options) => {
    const { client, place } = connect(options);
    revokeGrant(place.grants, qualify(pack), personOf(process.env), new Date());
    const packs = await client.reload();
    place.runners?.keepOnly(listGrantedRunners(place.grants));
    const report = packs.find(({ name }) => name === qualify(pack));
    print(options.json ? JSON.stringify(report ?? null) : report ? describeReport(report) : "gone");
  });
}

/** How long a new runner may take until the agent knows it. */
const RUNNER_MS = 5000;

/**
 * Lets the agent read the grants anew.
 *
 * @param mayWait whether a runner for the pack was just made
 * @returns the pack's state, once it no longer waits for that runner
 * @throws SondeError NOT_FOUND when the pack is gone
 */
async function reloadUntilServed(
  client: AgentClient,
  name: string,
  mayWait: boolean,
): Promise<PackReport> {
  const end = performance.now() + (mayWait ? RUNNER_MS : 0);
  for (;;) {
    const report = (await client.reload()).find((pack) => pack.name === name);
    if (report === undefined) throw new SondeError("NOT_FOUND", `${name} was removed meanwhile`);
    if (report.state !== "pending" || performance.now() >= end) return report;
    await setTimeout(200);
  }
}

function describeSeenHub({ keySet, auditHead, problem }: AgentStatus["hub"]): string {
  const entry = auditHead === null ? "no entry" : `entry ${auditHead.size}`;
  return [
    `This agent saw key set ${keySet} of its hub, and ${entry} of the hub's log.`,
    problem === null
      ? "It refuses nothing."
      : `It refuses the hub: ${problem.code}: ${problem.message}`,
  ].join("\n");
}

function qualify(pack: string): string {
  const name = expandPackName(pack);
  if (/^[a-z][a-z0-9-]{0,38}\/[a-z][a-z0-9-]{0,38}$/.test(name)) return name;
  throw new SondeError("BAD_REQUEST", `expected publisher/pack, got ${JSON.stringify(pack)}`);
}

/** Asks a yes/no question, as `ask` does. Anything but yes is no. */
export async function confirm(question: string): Promise<boolean> {
  return isYes(await ask(`${question} [y/N] `));
}

export function isYes(answer: string): boolean {
  return /^y(es)?$/i.test(answer);
}

/**
 * Asks a question on the terminal. The answer is empty without a terminal, and when the input ends
 * (Ctrl-D).
 *
 * @throws Error named AbortError on Ctrl-C
 */
export async function ask(question: string): Promise<string> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return "";
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const ended = once(terminal, "close").then(() => "");
    return (await Promise.race([terminal.question(question), ended])).trim();
  } finally {
    terminal.close();
  }
}

/** The best guess at the person who runs this command, also behind sudo. */
export function personOf(env: NodeJS.ProcessEnv): string {
  const login = readLoginName();
  const account = userInfo().username;
  const person = env["SUDO_USER"] ?? login ?? account;
  return person === account ? account : `${person} as ${account}`;
}

/** The user of the kernel's audit login uid, which survives su and sudo; undefined without one. */
function readLoginName(): string | undefined {
  try {
    const uid = readFileSync("/proc/self/loginuid", "utf8").trim();
    const entry = readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((line) => line.split(":")[2] === uid);
    return entry?.split(":")[0];
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown) return undefined;
    throw thrown;
  }
}
