import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { createInterface } from "node:readline/promises";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { type AgentClient, createAgentClient } from "../agent-client.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { describePack, describeReport } from "./describe-pack.ts";
import { removeGrant, writeGrant } from "./grant-files.ts";

type Options = { data?: string; json?: boolean; yes?: boolean };

/** `sonde agent ...`: commands of a host's administrator to the agent on this machine. */
export function addAgentCommands(program: Command, print: (text: string) => void): void {
  const agent = program
    .command("agent")
    .description("inspect the agent on this machine and approve its packs");
  const add = (name: string, description: string) =>
    agent
      .command(name)
      .description(description)
      .option("--data <folder>", "the data folder that `npm start` used")
      .option("--json", "print JSON");

  add("status", "connection, ceiling, runners and audit head").action(async (options: Options) => {
    const status = await connect(options).client.status();
    print(options.json ? JSON.stringify(status) : JSON.stringify(status, null, 2));
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
    .action(async (pack: string, options: Options) => {
      const { client, layout } = connect(options);
      const shown = await client.explain(qualify(pack));
      if (!options.json) print(describePack(shown));
      if (!options.yes && !(await confirm(`Grant this to ${shown.name} on this host?`))) {
        throw new SondeError("FORBIDDEN", "not approved; nothing was changed");
      }
      writeGrant(layout.grants, shown, personOf(process.env), new Date());
      const packs = await client.reload();
      const report = packs.find(({ name }) => name === shown.name);
      if (report === undefined)
        throw new SondeError("NOT_FOUND", `${shown.name} was removed meanwhile`);
      print(options.json ? JSON.stringify(report) : describeReport(report));
    });

  add("revoke <pack>", "delete a pack's grant; its probes disappear at once").action(
    async (pack: string, options: Options) => {
      const { client, layout } = connect(options);
      removeGrant(layout.grants, qualify(pack));
      const packs = await client.reload();
      const report = packs.find(({ name }) => name === qualify(pack));
      print(
        options.json ? JSON.stringify(report ?? null) : report ? describeReport(report) : "gone",
      );
    },
  );
}

function connect(options: Options): { client: AgentClient; layout: ReturnType<typeof layoutOf> } {
  const layout = layoutOf(resolveDataFolder(options.data, process.env));
  return { client: createAgentClient(layout.agentSocket), layout };
}

/** Expands a bare name: `docker` means the official pack `sonde/docker`. */
function qualify(pack: string): string {
  const name = pack.includes("/") ? pack : `sonde/${pack}`;
  if (/^[a-z][a-z0-9-]{0,38}\/[a-z][a-z0-9-]{0,38}$/.test(name)) return name;
  throw new SondeError("BAD_REQUEST", `expected publisher/pack, got ${JSON.stringify(pack)}`);
}

/** Asks a yes/no question on the terminal. Without a terminal the answer is no. */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
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
