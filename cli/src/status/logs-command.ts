import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { parseCount } from "../data-command.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { nothingRuns } from "../endpoints.ts";
import { showLog } from "./show-log.ts";

type Options = { data?: string; follow?: true; last: string };

const MAX_LAST = 100_000;

/** `sonde logs`: the newest lines of what the services wrote. */
export function addLogsCommand(program: Command): void {
  program
    .command("logs [service]")
    .description("the newest log lines of one service, or of all")
    .option("--last <n>", "how many lines of each", "20")
    .option("--follow", "go on with new lines, until Ctrl-C")
    .option("--data <folder>", "the data folder that `npm start` used")
    .action(async (service: string | undefined, options: Options) => {
      const layout = layoutOf(resolveDataFolder(options.data, process.env));
      if (!existsSync(layout.logs)) throw nothingRuns(layout);
      const files = chooseLogs(layout.logs, service).map((name) => join(layout.logs, name));
      const last = parseCount("--last", options.last, 0, MAX_LAST);
      // tail(1) reads from the end, follows several files, and survives a rotation.
      const words = ["-n", String(last), ...(options.follow ? ["-F"] : []), "--", ...files];
      process.exitCode = await showLog("tail", words);
    });
}

function chooseLogs(folder: string, service: string | undefined): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".log"));
  if (service === undefined) return names;
  const wanted = names.filter((name) => name === `${service}.log`);
  if (wanted.length > 0) return wanted;
  const known = names.map((name) => name.slice(0, -".log".length)).join(", ");
  throw new SondeError("BAD_REQUEST", `expected one of ${known}; got ${JSON.stringify(service)}`);
}
