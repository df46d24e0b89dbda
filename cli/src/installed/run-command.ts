import { SondeError } from "@sonde/schemas/errors";
import type { Command } from "commander";
import { hasSystemd } from "../agent/has-systemd.ts";
import type { Print } from "../data-command.ts";
import { runUntilStopped } from "../until-stopped.ts";
import type { Running } from "./run-installed.ts";

/**
 * `run`: keeps an installed service running where no systemd does, until a signal ends it.
 *
 * @param unit its unit, which runs it where there is systemd
 */
export function addRunCommand(
  parent: Command,
  unit: string,
  run: (say: Print) => Promise<Running>,
  print: Print,
): void {
  parent
    .command("run")
    .description("keep it running where there is no systemd, until Ctrl-C or SIGTERM")
    .action(() =>
      runUntilStopped(async () => {
        // Two at a time would be taken for copies of one identity.
        if (hasSystemd()) {
          throw new SondeError(
            "ALREADY_RUNNING",
            `expected a host without systemd, which runs it as ${unit}; type: systemctl start ${unit}`,
          );
        }
        return await run(print);
      }),
    );
}
