// Entry of `sonde`. It is bundled into dist/cli/sonde.js, as far below the workspace as this file.
import { join, resolve } from "node:path";
import { RELEASE } from "@sonde/schemas/release";
import { Command } from "commander";
import { addDataAgentCommands } from "./agent/data-agent-commands.ts";
import { addCompletionCommand } from "./completion/completion-command.ts";
import { addDemoCommand } from "./demo/demo-command.ts";
import { addEvidenceCommand } from "./evidence/evidence-command.ts";
import { addLinkCommand } from "./link/link-command.ts";
import { createWording } from "./link/programs.ts";
import { addMcpCommand } from "./mcp/mcp-command.ts";
import { addAgentsCommands } from "./operator/agents-commands.ts";
import { toPresentNames } from "./operator/former-names.ts";
import { addHubBackupCommands } from "./operator/hub-backup-commands.ts";
import { addHubCommands } from "./operator/hub-commands.ts";
import { addRegistryCommands } from "./operator/registry-commands.ts";
import { addTrustCommands } from "./operator/trust-commands.ts";
import { addLoginCommands } from "./profile/login-commands.ts";
import { addReleaseCommands } from "./release/release-commands.ts";
import { createBackupHome } from "./start/backup-home.ts";
import { addStartCommand } from "./start/start-command.ts";
import { addLogsCommand } from "./status/logs-command.ts";
import { addStatusCommand } from "./status/status-command.ts";
import { createTerminal } from "./terminal.ts";

const workspace = resolve(import.meta.dirname, "../..");
const terminal = createTerminal(createWording(workspace));
const { print } = terminal;

const program = new Command("sonde")
  .description("Look inside servers without a shell.")
  .version(RELEASE)
  .exitOverride();
addStartCommand(program, terminal, workspace);
addDataAgentCommands(program, print);
addAgentsCommands(program, print);
const dist = join(workspace, "dist");
addHubBackupCommands(addHubCommands(program, print), print, (layout) =>
  createBackupHome(layout, dist),
);
addEvidenceCommand(program, print);
addRegistryCommands(program, print);
addTrustCommands(program, print);
addReleaseCommands(program, print);
addStatusCommand(program, print);
addLogsCommand(program);
addMcpCommand(program);
addDemoCommand(program, print, workspace);
addLinkCommand(program, print, workspace);

addLoginCommands(program, print);
addCompletionCommand(program);
const words = toPresentNames(process.argv.slice(2));

void terminal.run(() => program.parseAsync(words, { from: "user" }));
