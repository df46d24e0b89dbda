import { Command, CommanderError } from "commander";
import { RELEASE } from "@sonde/schemas/release";
import { addBuild } from "./build.ts";
import { addAdvisory, addDeprecate, addYank } from "./change-pack.ts";
import { addCreateKey } from "./create-key.ts";
import { addDev } from "./dev.ts";
import { addDiff } from "./diff.ts";
import { addInit } from "./init.ts";
import { EXIT, type ProgramIo, reportTo } from "./outcome.ts";
import { addPublish } from "./publish.ts";
import { addSearch } from "./search.ts";
import { addSign } from "./sign.ts";
import { addTest } from "./test.ts";
import { addVerify } from "./verify.ts";

/**
 * Runs `sonde-pack` with the arguments after its name.
 *
 * @returns the exit code: 0 done, 1 refused or failed, 2 wrong usage
 */
export async function runPackProgram(args: readonly string[], io: ProgramIo): Promise<number> {
  let exitCode: number = EXIT.done;
  const report = reportTo(io, (code) => {
    exitCode = code;
  });
  const program = new Command("sonde-pack")
    .description("Write, build, test, sign and publish packs for Sonde.")
    .version(RELEASE)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
    })
    .addHelpText(
      "after",
      "\nFrom nothing to published:\n" +
        "  sonde-pack init acme/hello && cd hello\n" +
        "  sonde-pack build && sonde-pack test\n" +
        "  sonde-pack create-key acme.key        (once; give acme.key.pub to the operators)\n" +
        "  sonde-pack sign dist/hello-0.1.0.tgz --key acme.key\n" +
        "  sonde-pack publish dist/hello-0.1.0.tgz --registry https://registry.example\n" +
        "\nSources, holes, t, fixtures and the commands that only read: docs/pack-reference.md",
    );
  const commands = [
    addInit,
    addBuild,
    addTest,
    addDev,
    addCreateKey,
    addSign,
    addPublish,
    addVerify,
  ];
  for (const add of [...commands, addSearch, addDiff, addYank, addDeprecate, addAdvisory]) {
    add(program, report, io.env, io);
  }
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Requested help ends with 0; anything else is wrong usage.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  return exitCode;
}
