import type { ExecSource } from "@sonde/schemas/manifest";
import { quote } from "../quote.ts";
import { describeNearestForm, isReadOnlyCall } from "../read-only-call.ts";
import type { HoleText } from "../render-template.ts";
import type { SourceRules } from "../source-rules.ts";
import { argumentPattern } from "../template.ts";

export const execRules: SourceRules<"exec"> = {
  title: "Runs a command",
  words: ({ argv }) => argv,
  check({ argv }, refuse) {
    if (argv.some((part) => !isPrintable(part))) refuse("expected arguments of printable ASCII");
  },
  /** A command is `observe` only when its whole argv is in the read-only table. */
  level: (source) => (isReadOnlyCall(source) ? "observe" : "manage"),
  whyAbove: describeNearestForm,
  needs({ command, argv, holes }) {
    const patterns = argv.map((argument) => argumentPattern(argument, holes));
    return { commands: [command, ...patterns].join(" ") };
  },
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe(source, textOf) {
    return ["exec", source.command, ...renderArgv(source, textOf).map(quote)].join(" ");
  },
};

/** Renders the arguments after the command. A hole fills exactly one argument. */
export function renderArgv(source: ExecSource, textOf: HoleText): string[] {
  return source.argv.map((part) => (typeof part === "string" ? part : textOf(part.hole)));
}

function isPrintable(part: string | { hole: string }): boolean {
  return typeof part === "object" || /^[\x20-\x7e]+$/.test(part);
}
