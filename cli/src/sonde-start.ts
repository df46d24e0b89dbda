// Entry of `npm start`: `sonde start` without the other commands. It is bundled into
// dist/cli/start.js, as far below the workspace as this file, because it runs as long as Sonde does.
import { resolve } from "node:path";
import { Command } from "commander";
import { addStartCommand } from "./start/start-command.ts";
import { createWording } from "./link/programs.ts";
import { createTerminal } from "./terminal.ts";

const workspace = resolve(import.meta.dirname, "../..");
const terminal = createTerminal(createWording(workspace));
const program = new Command("sonde").exitOverride();
addStartCommand(program, terminal, workspace);
void terminal.run(() => program.parseAsync());
