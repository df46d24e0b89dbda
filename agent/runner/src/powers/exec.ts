import { SondeError } from "@sonde/schemas/errors";
import { filledWith, renderArgv } from "@sonde/sources";
import type { Power } from "./power.ts";
import { runCommand } from "./run-command.ts";

/** Runs one fixed command. An exit code that the source does not list is a failure. */
export const execCommand: Power<"exec"> = async (source, values, context) => {
  const argv = renderArgv(source, filledWith(values));
  const output = await runCommand(source.command, argv, source.maxBytes, context.signal);
  const stderr = output.stderr.toString("utf8");
  const okExitCodes = source.okExitCodes ?? [0];
  if (!output.truncated && !okExitCodes.includes(output.exitCode)) {
    throw new SondeError(
      "READ_FAILED",
      `${source.command} ended with ${output.exitCode}: ${firstLine(stderr)}`,
    );
  }
  return {
    data: { stdout: output.stdout.toString("utf8"), stderr, exitCode: output.exitCode },
    truncated: output.truncated,
    bytes: output.stdout.length + output.stderr.length,
  };
};

function firstLine(text: string): string {
  const [line = ""] = text.trim().split("\n", 1);
  return line === "" ? "no error text" : line.slice(0, 200);
}
