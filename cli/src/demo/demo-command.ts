import { join } from "node:path";
import type { Command } from "commander";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { findRunningSystem } from "../running-system.ts";

type Options = { data?: string; json?: boolean };

/**
 * `npm run demo:attack`: attacks the running system and shows the error code that refused each.
 *
 * @param workspace the clone, from whose sources the attacks run, because they build packs
 */
export function addDemoCommand(
  program: Command,
  print: (text: string) => void,
  workspace: string,
): void {
  program
    .command("demo-attack")
    .description("attack the running system and show the error code of each refusal")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--json", "print one JSON line")
    .action(async (options: Options) => {
      const layout = layoutOf(resolveDataFolder(options.data, process.env));
      const { runAttacks } = (await import(
        join(workspace, "cli/src/demo/run-attacks.ts")
      )) as typeof import("./run-attacks.ts");
      const system = await findRunningSystem(layout);
      const outcomes = await runAttacks(system, ({ attack, code, message, refused }) => {
        if (options.json) return;
        const verdict = refused ? "refused" : "SUCCEEDED";
        print(`${verdict}  ${code ?? "-"}  ${attack}\n         ${message.split("\n")[0]}`);
      });
      const succeeded = outcomes.filter(({ refused }) => !refused).length;
      if (options.json) print(JSON.stringify({ refused: succeeded === 0, attacks: outcomes }));
      else print(`${outcomes.length - succeeded} of ${outcomes.length} attacks were refused.`);
      if (succeeded > 0) process.exitCode = 1;
    });
}
