import { SondeError } from "@sonde/schemas/errors";
import { parseResolvedVersion } from "@sonde/schemas/registry";
import type { Command } from "commander";
import { type Print, startDataCommand } from "../data-command.ts";
import { type RegistryAudit, auditRegistry } from "./audit-registry.ts";
import { addAuditLog } from "./audit-log-command.ts";
import { addCarryCommands } from "./carry-commands.ts";
import { addPublisherCommands } from "./publisher-commands.ts";
import { quarantine } from "../registry-operator-client.ts";
import { parseRegistry, requestRegistry } from "../pack/registry-request.ts";
import { readPackSpec } from "./read-pack-spec.ts";
import { type Options, readSource, showProgress, socketOf, startOrder } from "./start-command.ts";

type QuarantineOptions = Options & { reason: string; release?: true };

/**
 * `sonde registry ...`: decisions of the operator of the registry on this machine.
 *
 * @returns the command
 */
export function addRegistryCommands(program: Command, print: Print): Command {
  const registry = program
    .command("registry")
    .description(
      "decide who may publish in the registry on this machine; audit, export and import registries",
    );
  addPublisherCommands(registry, print);
  addQuarantine(registry, print);
  addResolve(registry, print);
  addAudit(registry, print);
  addAuditLog(registry, print);
  addCarryCommands(registry, print);
  return registry;
}

function addQuarantine(registry: Command, print: Print): void {
  startOrder(registry, "quarantine <pack> <version>", "stop serving a version")
    .requiredOption("--reason <text>", "the public reason")
    .option("--release", "serve it again")
    .action(async (pack: string, version: string, options: QuarantineOptions) => {
      const body = { quarantined: options.release !== true, reason: options.reason };
      const life = await quarantine(socketOf(options), pack, version, body);
      const text = `${pack} ${version} is ${body.quarantined ? "quarantined" : "served again"}.`;
      print(options.json ? JSON.stringify(life) : text);
    });
}

/** Open to anybody and for display only: hub and agents choose versions by the log. */
function addResolve(registry: Command, print: Print): void {
  startDataCommand(
    registry,
    "resolve <url> <pack@range>",
    "show the version that a range resolves to",
  )
    .option("--agent <version>", "for this agent version; by default for any")
    .action(async (url: string, spec: string, options: Options & { agent?: string }) => {
      const { pack, version: range } = readPackSpec(spec);
      const { agent } = options;
      const query = new URLSearchParams({ range, ...(agent !== undefined && { agent }) });
      const path = `/packs/${pack}/resolve?${query.toString()}`;
      const resolved = parseResolvedVersion(await requestRegistry(parseRegistry(url), path));
      const { version, digest, engines } = resolved;
      const text = `${spec} is ${pack} ${version}, for agents ${engines.agent}.\n  ${digest}`;
      print(options.json ? JSON.stringify(resolved) : text);
    });
}

/** Open to anybody: needs no right, only the log's key. */
function addAudit(registry: Command, print: Print): void {
  startDataCommand(registry, "audit <url>", "compare every archive of a registry with its log")
    .option("--log-key <key>", "the key of its log; by default the one this host pins")
    .action(async (url: string, options: Options & { logKey?: string }) => {
      const audit = await auditRegistry(readSource(url, options), (at, of) =>
        showProgress(`${at} of ${of} archives`),
      );
      showProgress(null);
      print(options.json ? JSON.stringify(audit) : describeAudit(url, audit));
      const [first] = audit.problems;
      if (first === undefined) return;
      throw new SondeError(
        "REGISTRY_LOG_INCONSISTENT",
        `expected every archive to equal the log, got ${audit.problems.length} that differ, such as ${first.pack}`,
      );
    });
}

function describeAudit(url: string, audit: RegistryAudit): string {
  const { head, at, archives, withheld, problems } = audit;
  return [
    `The log of ${url} has ${head.size} entries, signed ${at}.`,
    `  ${head.hash}`,
    `${archives - problems.length} of ${archives} archives equal the log.`,
    ...withheld.map((pack) => `  ${pack} is quarantined and not served`),
    ...problems.map(({ pack, code, message }) => `  ${pack}: ${code}: ${message}`),
  ].join("\n");
}
