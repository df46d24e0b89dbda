import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { parseCount } from "../data-command.ts";
import { showLog } from "../status/show-log.ts";
import { isInstalled } from "./installed-services.ts";

type Options = { follow?: true; last: string };

const MAX_LAST = 100_000;
const UNITS = {
  hub: ["sonde-hub.service"],
  registry: ["sonde-registry.service"],
  agent: ["sonde-agent.service", "sonde-runner@*.service", "sonde-pack-host@*.service"],
};

/** `sonde logs` of the packages: what the journal has of the services. */
export function addInstalledLogsCommand(program: Command): void {
  program
    .command("logs [service]")
    .description("the newest log lines of one service, or of all, from the journal")
    .option("--last <n>", "how many lines", "20")
    .option("--follow", "go on with new lines, until Ctrl-C")
    .action(async (service: string | undefined, { last, follow }: Options) => {
      const units = chooseUnits(service).flatMap((unit) => ["--unit", unit]);
      const lines = ["--lines", String(parseCount("--last", last, 0, MAX_LAST))];
      const words = [...units, ...lines, "--output", "with-unit", "--no-pager", "--quiet"];
      process.exitCode = await showLog("journalctl", [...words, ...(follow ? ["--follow"] : [])]);
    });
}

function chooseUnits(service: string | undefined): string[] {
  const known = (["hub", "registry", "agent"] as const).filter(isInstalled);
  const chosen = known.filter((name) => service === undefined || service === name);
  if (chosen.length > 0) return chosen.flatMap((name) => UNITS[name]);
  throw new SondeError(
    "BAD_REQUEST",
    `expected one of ${known.join(", ")}; got ${JSON.stringify(service)}`,
  );
}
