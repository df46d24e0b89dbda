import { isIP } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import { runCommand } from "./run-command.ts";

const MAX_OUTPUT = 65_536;
/** `getent` found none. */
const NOT_FOUND = 2;

/**
 * The addresses of a host, in the order in which programs of the host try them. `getent` asks all that
 * they ask, such as `/etc/hosts`, in a process that ends at the deadline: getaddrinfo(3) in this one
 * would hold a thread for as long as a name server is silent.
 */
export async function resolveHost(host: string, signal: AbortSignal): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  const { stdout, exitCode } = await runCommand("getent", ["ahosts", host], MAX_OUTPUT, signal);
  if (exitCode === NOT_FOUND) return [];
  if (exitCode !== 0) {
    throw new SondeError("READ_FAILED", `getent ahosts ${host} ended with ${exitCode}`);
  }
  const addresses = stdout
    .toString("utf8")
    .split("\n")
    .map((line) => line.split(/\s+/, 1)[0] ?? "");
  return [...new Set(addresses)].filter((address) => isIP(address) !== 0);
}
