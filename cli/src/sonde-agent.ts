// Entry of `sonde-agent`, the program of an installed agent's administrator. It is bundled into
// dist/cli/sonde-agent.js and lies beside the agent's programs.
import { RELEASE } from "@sonde/schemas/release";
import { Command } from "commander";
import { addAgentCommands } from "./agent/agent-commands.ts";
import { addAuditCommands } from "./agent/audit-command.ts";
import { addDoctorCommand } from "./agent/doctor/doctor-command.ts";
import { addEnrolCommand } from "./agent/enrol-command.ts";
import { systemdRunnerUnits } from "./agent/runner-units.ts";
import { addScrubCommand } from "./agent/scrub-command.ts";
import { addRunCommand } from "./installed/run-command.ts";
import { runAgent } from "./installed/run-installed.ts";
import { createTerminal } from "./terminal.ts";

const STATE = "/var/lib/sonde-agent";
const PLACE = {
  socket: `${STATE}/run/agent.sock`,
  grants: "/etc/sonde-agent/grants",
  audit: `${STATE}/audit`,
  suffix: "",
  runners: systemdRunnerUnits,
};
const INSTALLED = {
  programs: import.meta.dirname,
  state: STATE,
  run: "/run/sonde-agent",
  trustPolicy: "/etc/sonde-agent/trust.json",
};

const terminal = createTerminal((text) =>
  text.replaceAll(/\bsonde agent (?=[a-z])/g, "sonde-agent "),
);
const program = new Command("sonde-agent")
  .description("The agent of this host: enrol it, see it, and approve what packs may read.")
  .version(RELEASE)
  .exitOverride();
addEnrolCommand(program, INSTALLED, terminal.print);
const startIn = (parent: Command) => (usage: string, description: string) =>
  parent.command(usage).description(description).option("--json", "print JSON");
addAgentCommands(startIn(program), () => PLACE, terminal.print);
const audit = program.command("audit").description("the agent's own audit log");
addAuditCommands(startIn(audit), () => PLACE, terminal.print);
addScrubCommand(program, terminal.print);
addRunCommand(
  program,
  "sonde-agent",
  (say) =>
    runAgent(
      {
        ...{ settings: "/etc/sonde-agent", run: INSTALLED.run, grants: PLACE.grants },
        runtime: { folder: INSTALLED.programs, node: process.execPath },
      },
      say,
    ),
  terminal.print,
);
addDoctorCommand(program, { ...INSTALLED, grants: PLACE.grants }, terminal.print);
void terminal.run(() => program.parseAsync());
