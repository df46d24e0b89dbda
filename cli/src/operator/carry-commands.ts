import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { type ImportReport } from "@sonde/schemas/registry";
import { digestOf } from "@sonde/trust/archive";
import type { Command } from "commander";
import { type Print, startDataCommand } from "../data-command.ts";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { importExport } from "../registry-operator-client.ts";
import { readTrustPolicy } from "../trust-policy-file.ts";
import { replaceFile } from "@sonde/files";
import { exportRegistry, type RegistryExport } from "./export-registry.ts";
import { readTrustedRoot } from "./read-trusted-root.ts";
import { type Options, readSource, showProgress, socketOf, startOrder } from "./start-command.ts";

type ExportOptions = Options & {
  to: string;
  logKey?: string;
  trustedRoot?: string;
  since: string;
};

/**
 * `sonde registry export | import`: carries a registry's packs to a site without a network
 * connection to it.
 */
export function addCarryCommands(registry: Command, print: Print): void {
  startDataCommand(registry, "export <url>", "write a registry's log and archives into one file")
    .requiredOption("--to <file>", "the file to write; an existing one is replaced")
    .option("--log-key <key>", "the key of its log; by default the one this host pins")
    .option("--trusted-root <file>", "include this root of Sigstore; by default the pinned one")
    .option(
      "--since <size>",
      "leave out archives that were logged before the log had this many entries",
      "0",
    )
    .action(async (url: string, options: ExportOptions) => {
      const trustedRoot = findTrustedRoot(options);
      const exported = await exportRegistry({
        source: readSource(url, options),
        trustedRoot,
        since: parseSize(options.since),
        to: resolve(options.to),
        onVersion: (at, of) => showProgress(`${at} of ${of} versions`),
      });
      showProgress(null);
      const digest = trustedRoot === null ? null : digestOf(Buffer.from(trustedRoot));
      const answer = { file: resolve(options.to), ...exported, trustedRootDigest: digest };
      print(options.json ? JSON.stringify(answer) : describeExport(answer));
    });
  startOrder(
    registry,
    "import <file>",
    "import an export into the mirror of this data folder",
  ).action(async (file: string, options: Options) => {
    const report = await importExport(socketOf(options), file, (done, total) =>
      showProgress(`${Math.floor((100 * done) / Math.max(total, 1))} % of ${file}`),
    );
    showProgress(null);
    const { trustedRoot, ...shown } = report;
    const root = trustedRoot === null ? null : putTrustedRoot(trustedRoot, options);
    print(
      options.json ? JSON.stringify({ ...shown, trustedRoot: root }) : describeImport(report, root),
    );
  });
}

function findTrustedRoot({ trustedRoot, data }: ExportOptions): string | null {
  if (trustedRoot !== undefined) return `${JSON.stringify(readTrustedRoot(trustedRoot))}\n`;
  const policy = readTrustPolicy(layoutOf(resolveDataFolder(data, process.env)).trustPolicy);
  return policy?.trustedRoot === undefined ? null : `${JSON.stringify(policy.trustedRoot)}\n`;
}

function parseSize(text: string): number {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text);
  throw new SondeError("BAD_REQUEST", `expected --since with a number of entries, got ${text}`);
}

type PutRoot = { file: string; digest: string };

/** Stored beside trust.json under a name that no program reads. Only a person can pin it. */
function putTrustedRoot(text: string, { data }: Options): PutRoot {
  const { importedTrustedRoot: file } = layoutOf(resolveDataFolder(data, process.env));
  mkdirSync(dirname(file), { recursive: true });
  replaceFile(file, text);
  return { file, digest: digestOf(Buffer.from(text)) };
}

function describeExport(
  exported: RegistryExport & { file: string; trustedRootDigest: string | null },
): string {
  const { file, head, at, archives, quarantined, earlier, trustedRootDigest } = exported;
  return [
    `${file} has a log of ${head.size} entries, signed ${at}, and ${archives} archives.`,
    `  ${head.hash}`,
    ...(quarantined > 0 ? [`  ${quarantined} quarantined versions are without an archive`] : []),
    ...(earlier > 0 ? [`  ${earlier} versions from before --since are without an archive`] : []),
    trustedRootDigest === null
      ? "It contains no trusted root of Sigstore: none is pinned here and none was given."
      : `It contains the trusted root ${trustedRootDigest}; give this digest to the importing person by another channel.`,
  ].join("\n");
}

function describeImport(report: ImportReport, root: PutRoot | null): string {
  const { head, at, imported, present, quarantined } = report;
  return [
    `The mirror serves a log of ${head.size} entries, signed ${at}.`,
    `  ${head.hash}`,
    `${imported} versions are new, ${present} were present, ${quarantined} are quarantined and left out.`,
    "Agents refuse this head when it is older than their trust.json allows: 24 hours, or logHeadMaxAgeHours.",
    ...(root === null
      ? []
      : [
          `The export contains a trusted root, which nothing trusts yet: ${root.file}`,
          `  ${root.digest}`,
          "Compare this digest with the one that the export printed. To pin the root on a host: sonde trust update-root --from FILE",
        ]),
  ].join("\n");
}
