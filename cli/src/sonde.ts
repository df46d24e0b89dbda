// Entry of `sonde`. Only this file touches argv, the environment and the exit code.
import { Socket } from "node:net";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_TABLE, SondeError, toSondeError } from "@sonde/schemas/errors";
import { RELEASE } from "@sonde/schemas/release";
import { Command, Option } from "commander";
import { addAgentCommands } from "./agent/agent-commands.ts";
import { addDemoCommand } from "./demo/demo-command.ts";
import { addHubCommands } from "./operator/hub-commands.ts";
import { addRegistryCommands } from "./operator/registry-commands.ts";
import { addTrustCommands } from "./operator/trust-commands.ts";
import { createProgress } from "./start/progress.ts";

const workspace = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const print = (text: string) => process.stdout.write(`${text}\n`);

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && (port === 0 || (port > 0 && port <= 65_532))) return port;
  throw new SondeError("BAD_REQUEST", `expected --port 0 to 65532, got ${text}`);
}

/** Resolves on Ctrl-C, on a signal, or when the launcher dies. */
function untilStopped(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => done());
    const parent = process.env["SONDE_PARENT_FD"];
    if (parent === undefined) return;
    // The launcher holds the other end, which closes when the launcher dies. This is a socket, not
    // a file stream: a blocking read in libuv's thread pool would delay the exit.
    new Socket({ fd: Number(parent) })
      .on("error", () => done())
      .on("close", () => done())
      .resume()
      .unref();
  });
}

type StartFlags = { yes?: true; json?: true; data?: string; port: string; runnerGroups?: string };

async function start(flags: StartFlags): Promise<void> {
  const stopped = untilStopped();
  const quiet = flags.json === true && !process.stderr.isTTY;
  const progress = createProgress(quiet ? () => undefined : (text) => process.stderr.write(text));
  // Imported lazily: the build tools and the MCP client are large, and only this command needs
  // them.
  const { runStart } = await import("./start/run-start.ts");
  const running = runStart({
    yes: flags.yes === true,
    json: flags.json === true,
    ...(flags.data !== undefined && { data: flags.data }),
    port: parsePort(flags.port),
    runnerGroups: flags.runnerGroups?.split(",").filter((name) => name !== "") ?? [],
    dist: join(workspace, "dist"),
    workspace,
    env: process.env,
    progress,
    print,
  });
  const first = await Promise.race([running, stopped]);
  // A signal during the start: services that already run must still be stopped.
  const services = first ?? (await running);
  await stopped;
  await services.stop();
}

const program = new Command("sonde")
  .description("Look inside servers without a shell.")
  .version(RELEASE)
  .exitOverride();
program
  .command("start")
  .description("start registry, hub and one agent on this machine, and ask a first question")
  .option("--yes", "approve the requirements of the official packs without asking")
  .option("--json", "print one JSON line when ready")
  .option("--data <folder>", "the data folder")
  .addOption(
    new Option(
      "--port <n>",
      "the hub's port; the next three are used too; 0 chooses free ports",
    ).default("4310"),
  )
  .option(
    "--runner-groups <names>",
    "extra runners with groups (root only): docker,adm is two runners, docker+adm is one in both groups",
  )
  .action(start);
addAgentCommands(program, print);
addHubCommands(program, print);
addRegistryCommands(program, print);
addTrustCommands(program, print);
addDemoCommand(program, print);

try {
  await program.parseAsync();
  // 0, or the code that a command left in process.exitCode.
  process.exit();
} catch (thrown) {
  if (thrown instanceof Error && "exitCode" in thrown) process.exit(Number(thrown.exitCode));
  const error = toSondeError(thrown);
  if (process.argv.includes("--json")) print(JSON.stringify(error.toBody()));
  process.stderr.write(`${error.code}: ${error.message}\n  ${ERROR_TABLE[error.code].hint}\n`);
  if (error.code === "INTERNAL") process.stderr.write(`${String((error.cause as Error)?.stack)}\n`);
  process.exit(1);
}
