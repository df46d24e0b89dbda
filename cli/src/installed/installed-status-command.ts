import type { Command } from "commander";
import { adviseApproval } from "../agent/advise-approval.ts";
import type { Print } from "../data-command.ts";
import { INSTALLED, layoutOf } from "../data-layout.ts";
import { createHubClient } from "../hub-client.ts";
import { readOperatorKey } from "../read-back.ts";
import {
  askHealth,
  describeStatus,
  isApprovable,
  type ServiceStatus,
} from "../status/status-command.ts";
import { findInstalledUrl, type InstalledService, isInstalled } from "./installed-services.ts";

const SERVICES: readonly InstalledService[] = ["hub", "registry"];

/** `sonde status` of the packages: which services answer, which agents and packs there are, what to do next. */
export function addInstalledStatusCommand(program: Command, print: Print): void {
  program
    .command("status")
    .description("which services answer, which agents and packs there are, and what to do next")
    .option("--json", "print JSON")
    .action(async ({ json }: { json?: true }) => {
      const services = await Promise.all(SERVICES.filter(isInstalled).map(lookAt));
      const hub = services.find(({ service }) => service === "hub");
      const agents =
        hub?.problem === null
          ? await createHubClient(hub.url, readOperatorKey(layoutOf(INSTALLED))).listAgents()
          : [];
      const next = [
        ...services.flatMap(({ service, problem }) => (problem === null ? [] : mend(service))),
        ...agents.flatMap(({ name, packs }) =>
          packs.filter(isApprovable).map((pack) => adviseApproval(name, pack.name, undefined, {})),
        ),
      ];
      const found = { services, agents, next };
      const clients = hub === undefined ? "" : `, for clients at ${hub.url}/mcp`;
      print(json ? JSON.stringify(found) : describeStatus(`Sonde of this host${clients}`, found));
      if (services.some(({ problem }) => problem !== null)) process.exitCode = 1;
    });
}

async function lookAt(service: InstalledService): Promise<ServiceStatus> {
  const url = findInstalledUrl(service);
  return url === null
    ? { service, url: "", problem: "never ran here" }
    : await askHealth(service, url);
}

function mend(service: InstalledService): string[] {
  return [`systemctl status sonde-${service}`, `sonde logs ${service}`];
}
