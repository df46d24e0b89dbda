import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isErrorCode, SondeError } from "@sonde/schemas/errors";
import type { DataLayout } from "../data-layout.ts";
import type { HubClient } from "../hub-client.ts";
import { writeAtomically } from "../write-atomically.ts";

/**
 * Enrols this machine's agent if it is not enrolled, or if its certificate has expired. The token
 * goes through standard input, so no process list and no shell history shows it.
 *
 * @param program command line of the enrol program as the agent's user
 */
export async function enrolAgent(
  layout: DataLayout,
  hub: HubClient,
  agentName: string,
  program: (args: string[]) => { command: string; args: string[] },
): Promise<void> {
  if (isEnrolled(layout)) return;
  const { token, enrolAddress } = await hub.createToken(agentName);
  const address = new URL(`https://${enrolAddress}`);
  const config = join(layout.config, "enrol.json");
  writeAtomically(
    config,
    JSON.stringify({
      stateDir: layout.agent,
      host: address.hostname,
      port: Number(address.port),
      agentName,
    }),
  );
  const { command, args } = program([config]);
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], cwd: "/" });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stdin.end(`${token}\n`);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw readRefusal(output);
}

function isEnrolled(layout: DataLayout): boolean {
  const file = join(layout.agent, "identity", "certificate.pem");
  if (!existsSync(file)) return false;
  return new X509Certificate(readFileSync(file)).validToDate > new Date();
}

/** The program's one line of JSON states the reason. */
function readRefusal(output: string): SondeError {
  const code = /"code":"([A-Z_]+)"/.exec(output)?.[1];
  const message = `enrolment failed: ${output.trim().slice(0, 500)}`;
  return new SondeError(isErrorCode(code) ? code : "STARTING_FAILED", message);
}
