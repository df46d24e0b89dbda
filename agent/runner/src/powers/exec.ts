import { SondeError } from "@sonde/schemas/errors";
import { filledWith, renderArgv } from "@sonde/sources";
import type { Power } from "./power.ts";
import { cutMessage, cutText } from "./cut-text.ts";
import { MAX_STDERR, runCommand } from "./run-command.ts";

/** Runs one fixed command. An exit code that the source does not list is a failure. */
export const execCommand: Power<"exec"> = async (source, values, context) => {
  const argv = renderArgv(source, filledWith(values));
  const output = await runCommand(source.command, argv, source.maxBytes, context.signal);
  const stdout = cutText(output.stdout, 0, source.maxBytes);
  const stderr = cutText(output.stderr, 0, MAX_STDERR);
  const okExitCodes = source.okExitCodes ?? [0];
  if (!output.truncated && !okExitCodes.includes(output.exitCode)) {
    throw new SondeError(
      "READ_FAILED",
      `${source.command} ended with ${output.exitCode}: ${firstLine(stderr.text)}`,
    );
  }
  return {
    data: { stdout: stdout.text, stderr: stderr.text, exitCode: output.exitCode },
    truncated: output.truncated,
    bytes: stdout.bytes + stderr.bytes,
    margins: { stdout: stdout.margin, stderr: stderr.margin },
  };
};

function firstLine(text: string): string {
  const [line = ""] = text.trim().split("\n", 1);
  return line === "" ? "no error text" : cutMessage(line, 200);
}
