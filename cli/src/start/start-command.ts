import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type Command, Option } from "commander";
import type { Terminal } from "../terminal.ts";
import { collect } from "../collect.ts";
import { runUntilStopped } from "../until-stopped.ts";
import { parsePublicNames } from "./public-names.ts";
import { parseKeyAlgorithm } from "./key-algorithm.ts";
import { openProgress } from "./progress.ts";

type StartFlags = {
  yes?: true;
  json?: true;
  data?: string;
  port: string;
  publicName: string[];
  runnerGroups?: string;
  keyAlgorithm?: string;
};

/** `sonde start`, which is also `npm start`: runs until it is stopped. */
export function addStartCommand(program: Command, terminal: Terminal, workspace: string): void {
  program
    .command("start")
    .description("start registry, hub and one agent on this machine, and ask a first question")
    .option(
      "--yes",
      "approve the official packs without asking, except one whose engine this host lacks",
    )
    .option("--json", "print one JSON line when ready")
    .option("--data <folder>", "the data folder")
    .addOption(
      new Option(
        "--port <n>",
        "the hub's port; the next five are used too; 0 chooses free ports",
      ).default("4310"),
    )
    .option(
      "--public-name <name>",
      "a DNS name or an address by which other machines reach this one; can be repeated; without it nothing listens for them",
      collect,
      [],
    )
    .option(
      "--runner-groups <names>",
      "extra runners with groups (root only): docker,adm is two runners, docker+adm is one in both groups",
    )
    .option(
      "--key-algorithm <name>",
      "of the keys that hub and agent make: ed25519 (the default) or rsa-sha256; kept for later starts",
    )
    .action((flags: StartFlags) => start(flags, terminal, workspace));
}

async function start(flags: StartFlags, terminal: Terminal, workspace: string): Promise<void> {
  const json = flags.json === true;
  await runUntilStopped(async () => {
    // Imported lazily, because the other commands need none of it.
    const { runStart } = await import("./run-start.ts");
    return await runStart({
      yes: flags.yes === true,
      json,
      ...(flags.data !== undefined && { data: flags.data }),
      port: parsePort(flags.port),
      publicNames: parsePublicNames(flags.publicName),
      runnerGroups: flags.runnerGroups?.split(",").filter((name) => name !== "") ?? [],
      ...(flags.keyAlgorithm !== undefined && {
        keyAlgorithm: parseKeyAlgorithm(flags.keyAlgorithm),
      }),
      dist: join(workspace, "dist"),
      workspace,
      env: process.env,
      progress: openProgress(json, terminal),
    });
  });
}

function parsePort(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && (port === 0 || (port > 0 && port <= 65_530))) return port;
  throw new SondeError("BAD_REQUEST", `expected --port 0 to 65530, got ${text}`);
}
