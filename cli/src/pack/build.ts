import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { type BuiltPack, buildPack } from "@sonde/pack-sdk/build";
import type { Requires } from "@sonde/schemas/manifest";
import { describeSecrets } from "@sonde/sources";
import type { AddCommand } from "./add-command.ts";
import { startCommand } from "./add-command.ts";

export const addBuild: AddCommand = (program, report) => {
  startCommand(program, "build", "build the archive, and show what users will be asked to grant")
    .argument("[folder]", "the pack's folder", ".")
    .option("--out <folder>", "where to write the archive; by default dist in the pack's folder")
    .action((folder: string, { out }: { out?: string }, command) =>
      report(command, async () => {
        const built = await buildPack(folder);
        const target = path.resolve(out ?? path.join(folder, "dist"));
        const file = path.join(target, built.fileName);
        await mkdir(target, { recursive: true });
        await writeFile(file, built.archive);
        return { data: describe(built, file), text: explain(built, file) };
      }),
    );
};

function describe(built: BuiltPack, file: string): object {
  const { name, version, requires } = built.manifest;
  const probes = [...built.capabilities].map(([probe, capability]) => ({ probe, capability }));
  return {
    file,
    digest: built.digest,
    sizeBytes: built.archive.length,
    name,
    version,
    requires,
    probes,
    warnings: findSecrets(built),
  };
}

/** Sources that can read what is usually secret. Administrators will ask why. */
function findSecrets({ manifest }: BuiltPack): string[] {
  return Object.entries(manifest.sources).flatMap(([name, source]) => {
    const secrets = describeSecrets(source);
    return secrets === null ? [] : [`source ${name}: ${secrets}`];
  });
}

function explain(built: BuiltPack, file: string): string {
  const { name, version, requires } = built.manifest;
  const above = [...built.capabilities].filter(([, capability]) => capability !== "observe");
  return [
    `Built ${name} ${version}: ${file}`,
    `  ${built.digest}, ${built.archive.length} bytes`,
    "Whoever installs it will be asked to grant:",
    ...explainRequires(requires),
    ...findSecrets(built).map((secret) => `  warning: ${secret}`),
    `Probes: ${[...built.capabilities.keys()].join(", ")}`,
    ...above.map(
      ([probe, capability]) =>
        `  ${probe} is ${capability}: registries refuse it unless their operator allows more than reading`,
    ),
    `  next: sonde-pack test && sonde-pack sign ${file} --key FILE`,
  ].join("\n");
}

/** One line per kind of requirement, or one line that says nothing is needed. */
export function explainRequires(requires: Requires): string[] {
  const lines = Object.entries(requires)
    .filter(([, names]) => names.length > 0)
    .map(([kind, names]) => `  ${kind}: ${names.join(", ")}`);
  return lines.length > 0 ? lines : ["  nothing"];
}
