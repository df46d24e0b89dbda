import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** A file that decides what the agent is or does. */
export type OwnFile = {
  kind: "program" | "runtime" | "configuration" | "trust" | "unit";
  path: string;
};

export type OwnPlaces = {
  /** The agent's own bundle. Runner and pack host lie beside it. */
  program: string;
  /** Node. */
  runtime: string;
  configuration: string;
  admitPath: string;
  trustPolicyPath: string;
  /** Where systemd looks for units. */
  unitFolders: readonly string[];
};

/** Programs of the agent beside its own. */
const BESIDE = ["runner.js", "pack-host.js"];
/** What the pack host loads from outside of its bundle. */
const NATIVE = ["isolated-vm", "node-gyp-build"];
const LOADED = /\.(?:js|json|node)$/;

/** systemd.unit(5), "System Unit Search Path". */
export const UNIT_FOLDERS = [
  ...["/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient"],
  ...["/run/systemd/generator.early", "/etc/systemd/system", "/run/systemd/system"],
  ...["/run/systemd/generator", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system"],
];
const UNIT = /^sonde-(?:agent|runner|pack-host)[\w@.+:-]*\.(?:service|socket)$/;
/** Drop-ins of the units, of all units whose names begin so, and of all of their type. */
const DROP_INS =
  /^(?:sonde-(?:pack-|(?:agent|runner|pack-host)[\w@.+:-]*)?\.)?(?:service|socket)\.d$/;
/** More than an installation has. A statement is bounded, and says no half of a longer list. */
const MAX_FILES = 200;

/** Lists these files, in a stable order. Looks at folders each time: a drop-in may be new. */
export function listOwnFiles(places: OwnPlaces): OwnFile[] {
  const { program, runtime, configuration, admitPath, trustPolicyPath, unitFolders } = places;
  const folder = dirname(program);
  const beside = BESIDE.filter((name) => name !== basename(program));
  const programs = [program, admitPath, ...beside.map((name) => join(folder, name))];
  const native = NATIVE.flatMap((name) =>
    list(join(folder, "node_modules", name), { recursive: true }).filter((path) =>
      LOADED.test(path),
    ),
  );
  const files: OwnFile[] = [
    ...[...programs, ...native].map((path) => ({ kind: "program", path }) as const),
    { kind: "runtime", path: runtime },
    { kind: "configuration", path: configuration },
    { kind: "trust", path: trustPolicyPath },
    ...unitFolders.flatMap(listUnitFiles).map((path) => ({ kind: "unit", path }) as const),
  ];
  return files.slice(0, MAX_FILES);
}

function listUnitFiles(folder: string): string[] {
  return list(folder).flatMap((path) => {
    const name = basename(path);
    if (UNIT.test(name)) return [path];
    return DROP_INS.test(name) ? list(path).filter((one) => one.endsWith(".conf")) : [];
  });
}

function list(folder: string, { recursive = false } = {}): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive, encoding: "utf8" });
  return names.sort().map((name) => join(folder, name));
}
