import type { ExecSource } from "@sonde/schemas/manifest";
import { quote } from "../quote.ts";
import { type AllowedArgument, READ_ONLY_COMMANDS } from "../read-only-commands.ts";
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
  needs({ command, argv, holes }) {
    const patterns = argv.map((argument) => argumentPattern(argument, holes));
    return { commands: [command, ...patterns].join(" ") };
  },
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

function isReadOnlyCall(source: ExecSource): boolean {
  const forms = READ_ONLY_COMMANDS.get(source.command) ?? [];
  return forms.some(
    (form) =>
      form.length === source.argv.length &&
      form.every((allowed, index) => isAllowed(allowed, source, index)),
  );
}

function isAllowed(allowed: AllowedArgument, source: ExecSource, index: number): boolean {
  const argument = source.argv[index];
  if (typeof argument === "object") {
    const hole = new Map(Object.entries(source.holes ?? {})).get(argument.hole);
    return typeof allowed === "object" && "hole" in allowed && hole?.type === allowed.hole;
  }
  if (typeof allowed === "string") return argument === allowed;
  if (argument === undefined || "hole" in allowed) return false;
  const prefix = allowed.prefix ?? "";
  const columns = argument.slice(prefix.length).split(",");
  return argument.startsWith(prefix) && columns.every((name) => allowed.columns.includes(name));
}
