import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";
import { buildTemplate } from "./pack-template.ts";

const NAME = /^[a-z][a-z0-9-]{0,38}\/[a-z][a-z0-9-]{0,38}$/;

export const addInit: AddCommand = (program, report) => {
  startCommand(
    program,
    "init <name>",
    "create a folder with a pack that builds and passes its test",
  )
    .argument("[folder]", "the folder; by default the pack's name")
    .addHelpText(
      "after",
      "\nNAME is publisher/pack, such as acme/hello. A name without a publisher gets `local`.",
    )
    .action((name: string, folder: string | undefined, _options, command) =>
      report(command, async () => {
        const full = name.includes("/") ? name : `local/${name}`;
        if (!NAME.test(full)) {
          throw new SondeError(
            "BAD_REQUEST",
            `expected a name such as acme/hello (lower case letters, digits, dashes), got ${name}`,
          );
        }
        const target = path.resolve(folder ?? full.slice(full.indexOf("/") + 1));
        await mkdir(path.dirname(target), { recursive: true });
        // Fails when the folder exists, so existing work is never overwritten.
        await mkdir(target);
        for (const [file, text] of buildTemplate(full)) {
          await mkdir(path.dirname(path.join(target, file)), { recursive: true });
          await writeFile(path.join(target, file), text, { flag: "wx" });
        }
        return {
          data: { name: full, folder: target },
          text:
            `Made ${full} in ${target}\n` +
            `  src/greet.ts           its probe: what it reads, and what it answers\n` +
            `  fixtures/greet.json    a recorded call and the expected answer\n` +
            `  next: cd ${target} && sonde-pack build && sonde-pack test`,
        };
      }),
    );
};
