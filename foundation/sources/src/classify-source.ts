import { type Manifest, type Source } from "@sonde/schemas/manifest";
import { type Capability, higherCapability } from "@sonde/schemas/names";
import { type AllowedArgument, READ_ONLY_COMMANDS } from "./read-only-commands.ts";

type ExecSource = Extract<Source, { kind: "exec" }>;

/**
 * The level a source needs, decided here and not by the author's label: a
 * command is `observe` only when its whole argv is in the read-only table.
 */
export function classifySource(source: Source): Capability {
  switch (source.kind) {
    case "file":
    case "directory":
    case "filesystem":
    case "http":
      return "observe";
    case "exec":
      return isReadOnlyCall(source) ? "observe" : "manage";
  }
}

/** The higher of the probe's declared level and what its sources are classified as. */
export function effectiveCapability(
  manifest: Pick<Manifest, "sources" | "probes">,
  probe: string,
): Capability {
  // checkManifest has made sure that the probe's reads name real sources.
  const declared = Object.hasOwn(manifest.probes, probe) ? manifest.probes[probe] : undefined;
  if (declared === undefined) return "manage";
  return Object.values(declared.reads).reduce<Capability>((level, { source }) => {
    const read = Object.hasOwn(manifest.sources, source) ? manifest.sources[source] : undefined;
    return higherCapability(level, read === undefined ? "manage" : classifySource(read));
  }, declared.capability);
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
