import { SondeError } from "@sonde/schemas/errors";
import { type FollowedRegistry, pickRegistry } from "@sonde/schemas/trust";
import type { Command } from "commander";
import { startDataCommand } from "../data-command.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { readTrustPolicy } from "../trust-policy-file.ts";

export type Options = { data?: string; json?: boolean; socket?: string };
/** Starts a subcommand that only the operator of a running registry can use. */
export function startOrder(parent: Command, usage: string, description: string): Command {
  return startDataCommand(parent, usage, description).option(
    "--socket <path>",
    "the operator's socket of a registry that `npm start` did not start",
  );
}

export function socketOf({ data, socket }: Options): string {
  return socket ?? layoutOf(resolveDataFolder(data, process.env)).registrySocket;
}

/**
 * Starts a subcommand that reads a registry, by a given log key or as this host's policy follows
 * its own registry.
 */
export function readSource(
  registry: string,
  { data, logKey }: Options & { logKey?: string },
): FollowedRegistry {
  if (logKey !== undefined) return { registry, logKey };
  const { trustPolicy } = layoutOf(resolveDataFolder(data, process.env));
  const policy = readTrustPolicy(trustPolicy);
  if (policy !== null) return pickRegistry({ ...policy, registry });
  throw new SondeError("BAD_REQUEST", `expected --log-key, or a policy in ${trustPolicy}`);
}

/** Shows the progress of a long task, on a terminal only. null ends the line. */
export function showProgress(text: string | null): void {
  if (process.stderr.isTTY) process.stderr.write(text === null ? "\n" : `\r${text}`);
}
