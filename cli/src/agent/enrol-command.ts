import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { DEFAULT_KEY_ALGORITHM, parseAddress } from "@sonde/schemas/wire";
import type { Command } from "commander";
import { askSecret } from "../ask-secret.ts";
import type { Print } from "../data-command.ts";
import { parseKeyAlgorithm } from "../start/key-algorithm.ts";
import { makeFolder, presentOwner } from "../start/make-folder.ts";
import { fitAgentName } from "../start/prepare-data.ts";
import { asAccount, findInstalledAccount } from "../start/system-users.ts";
import { hasSystemd } from "./has-systemd.ts";
import { runEnrolment } from "./run-enrolment.ts";
import { settleTrust, type TrustOptions } from "./trust-for-host.ts";

type Options = TrustOptions & {
  hub: string;
  agentName?: string;
  tokenFile?: string;
  keyAlgorithm: string;
};

/** Where the package has put everything; see scripts/package/sonde-agent. */
export type InstalledAgent = {
  /** The folder of the programs. */
  programs: string;
  /** The agent's own files. */
  state: string;
  /** A folder that only root writes to, and that is empty after the next boot. */
  run: string;
  /** Whose packs the agent accepts. */
  trustPolicy: string;
};

/** `sonde-agent enrol`: gives this host its identity, once for each invitation. */
export function addEnrolCommand(program: Command, installed: InstalledAgent, print: Print): void {
  program
    .command("enrol")
    .description("give this host the identity that it was invited to; asks for the token")
    .requiredOption("--hub <host:port>", "the hub's address for enrolment, from the invitation")
    .option("--agent-name <name>", "its name in the invitation; by default the host's name")
    .option("--token-file <file>", "a file that holds the token; without it, it is asked for")
    .option("--trust <file>", "whose packs this host accepts: a file of `sonde trust export`")
    .option("--yes", "trust what the file says without asking")
    .option(
      "--key-algorithm <name>",
      "of the agent's new key: ed25519 or rsa-sha256",
      DEFAULT_KEY_ALGORITHM,
    )
    .option("--json", "print JSON")
    .action((options: Options) => enrol(options, installed, print));
}

async function enrol(options: Options, installed: InstalledAgent, print: Print): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new SondeError("RIGHT_MISSING", "expected root, since only root may start the agent");
  }
  const { host, port } = parseAddress(options.hub);
  const agentName = options.agentName ?? fitAgentName(hostname());
  if (agentName === null) {
    throw new SondeError("BAD_REQUEST", "expected --agent-name, since the host's name gives none");
  }
  const keyAlgorithm = parseKeyAlgorithm(options.keyAlgorithm);
  await settleTrust(installed.trustPolicy, options, print);
  const token = await readToken(options.tokenFile);
  // Made by systemd at boot, where there is one.
  makeFolder(installed.run, 0o711, presentOwner());
  const config = join(installed.run, "enrol.json");
  replaceFile(
    config,
    JSON.stringify({ stateDir: installed.state, host, port, agentName, keyAlgorithm }),
  );
  const words = [process.execPath, join(installed.programs, "enrol.js"), config];
  await runEnrolment(
    asAccount({ separate: true }, findInstalledAccount("agent"), [], words),
    token,
  );
  const isStarted = startService();
  if (options.json) return print(JSON.stringify({ enrolled: true, agentName, started: isStarted }));
  print(
    isStarted
      ? `${agentName} is enrolled, and its agent runs.`
      : `${agentName} is enrolled. There is no systemd here: start the agent by \`sonde-agent run\`.`,
  );
}

/** @returns whether systemd runs this host and started the agent */
function startService(): boolean {
  if (!hasSystemd()) return false;
  execFileSync("systemctl", ["restart", "sonde-agent.service"], { stdio: "pipe" });
  return true;
}

/** Reads the token from a file, from a pipe, or from a person, whose typing is not shown. */
async function readToken(file: string | undefined): Promise<string> {
  const token =
    file === undefined ? await askSecret("Token of the invitation") : readTokenFile(file);
  if (token.trim() !== "") return token.trim();
  throw new SondeError("TOKEN_REFUSED", "expected the token of the invitation, got nothing");
}

function readTokenFile(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new SondeError("TOKEN_REFUSED", `expected a token in ${file}, cannot read it`, { cause });
  }
}
