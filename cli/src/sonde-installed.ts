// Entry of the `sonde` that the packages of hub and registry put on the PATH. It has the commands of
// their operator. What starts and ends a service is systemd's here.
import { RELEASE } from "@sonde/schemas/release";
import { Command } from "commander";
import { INSTALLED } from "./data-layout.ts";
import { installedBackupHome } from "./installed/installed-backup.ts";
import { addInstalledLogsCommand } from "./installed/installed-logs-command.ts";
import { addInstalledStatusCommand } from "./installed/installed-status-command.ts";
import { addRunCommand } from "./installed/run-command.ts";
import { runService } from "./installed/run-installed.ts";
import type { InstalledPlace } from "./installed/supervisor.ts";
import { addCompletionCommand } from "./completion/completion-command.ts";
import { addEvidenceCommand } from "./evidence/evidence-command.ts";
import { addAgentsCommands } from "./operator/agents-commands.ts";
import { addHubBackupCommands } from "./operator/hub-backup-commands.ts";
import { addHubCommands } from "./operator/hub-commands.ts";
import { toPresentNames } from "./operator/former-names.ts";
import { addRegistryCommands } from "./operator/registry-commands.ts";
import { addTrustCommands } from "./operator/trust-commands.ts";
import { addLoginCommands } from "./profile/login-commands.ts";
import { addReleaseCommands } from "./release/release-commands.ts";
import { createTerminal } from "./terminal.ts";

/** Either package has this program, and may be alone on a machine. */
function placeOf(role: "hub" | "registry"): InstalledPlace {
  const folder = `/usr/lib/sonde-${role}`;
  return {
    ...{ settings: `/etc/sonde-${role}`, run: `/run/sonde-${role}` },
    runtime: { folder, node: `${folder}/node` },
  };
}

const terminal = createTerminal((text) =>
  text
    .replaceAll(`npm start -- --data ${INSTALLED}`, "systemctl start sonde-hub sonde-registry")
    .replaceAll(/\bsonde agent (?=[a-z])/g, "sonde-agent "),
);
const { print } = terminal;
const program = new Command("sonde")
  .description("Decide what the hub and the registry of this machine do.")
  .version(RELEASE)
  .exitOverride();
addAgentsCommands(program, print);
const hub = addHubCommands(program, print);
addHubBackupCommands(hub, print, () => installedBackupHome);
addEvidenceCommand(program, print);
addRunCommand(hub, "sonde-hub", (say) => runService("hub", placeOf("hub"), say), print);
const registry = addRegistryCommands(program, print);
addRunCommand(
  registry,
  "sonde-registry",
  (say) => runService("registry", placeOf("registry"), say),
  print,
);
addTrustCommands(program, print);
addReleaseCommands(program, print);
addInstalledStatusCommand(program, print);
addInstalledLogsCommand(program);
addLoginCommands(program, print);
addCompletionCommand(program);
const words = toPresentNames(process.argv.slice(2));

void terminal.run(() => program.parseAsync(words, { from: "user" }));
