import type { ExecSource } from "@sonde/schemas/manifest";
import { countShared } from "./count-shared.ts";
import { type AllowedArgument, READ_ONLY_COMMANDS } from "./read-only-commands.ts";

/** One allowed argv. */
export type Form = readonly AllowedArgument[];

/** True when the command's whole argv is in the table of commands that only read. */
export function isReadOnlyCall(source: ExecSource): boolean {
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

/** Says that a command is not in the table, and which form of the table is nearest to it. */
export function describeNearestForm(source: ExecSource): string {
  const forms = READ_ONLY_COMMANDS.get(source.command) ?? [];
  const [nearest] = forms
    .map((form) => ({ form, shared: shareOf(form, source) }))
    .toSorted((a, b) => b.shared - a.shared || a.form.length - b.form.length);
  const near =
    nearest === undefined
      ? `it has no form of ${source.command}`
      : `its nearest form is ${describeForm(source.command, nearest.form)}`;
  return `it is not in the table of read-only commands (docs/pack-reference.md); ${near}`;
}

/** A form as an author writes it, such as `df --output=source,size` with all its columns. */
export function describeForm(command: string, form: Form): string {
  const words = form.map((allowed) => {
    if (typeof allowed === "string") return allowed;
    if ("hole" in allowed) return `<${allowed.hole}>`;
    return `${allowed.prefix ?? ""}${allowed.columns.join(",")}`;
  });
  return [command, ...words].join(" ");
}

function shareOf(form: Form, source: ExecSource): number {
  return countShared(form.length, source.argv.length, (at, index) => {
    const allowed = form[at];
    return allowed !== undefined && isAlike(allowed, source, index);
  });
}

/** True for the argument itself, and for a list of columns of which some are allowed. */
function isAlike(allowed: AllowedArgument, source: ExecSource, index: number): boolean {
  if (isAllowed(allowed, source, index)) return true;
  const argument = source.argv[index];
  if (typeof argument !== "string" || typeof allowed === "string" || "hole" in allowed)
    return false;
  const { prefix = "", columns } = allowed;
  const named = argument.slice(prefix.length).split(",");
  return argument.startsWith(prefix) && named.some((name) => columns.includes(name));
}
