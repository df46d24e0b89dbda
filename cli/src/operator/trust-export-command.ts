import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { parseTrustPolicy, type RegistryPlace, type TrustPolicy } from "@sonde/schemas/trust";
import type { Command } from "commander";
import type { Print } from "../data-command.ts";
import { startDataCommand } from "../data-command.ts";
import { type DataLayout, layoutOf, resolveDataFolder } from "../data-layout.ts";
import { describeTrust, listSigners } from "../describe-trust.ts";
import { readHubEndpoints } from "../endpoints.ts";
import { requireTrustPolicy } from "../trust-policy-file.ts";

type Options = { data?: string; json?: boolean; registry?: string; registryCa?: string };

/** `sonde trust export`: what an administrator takes to the hosts of other agents. */
export function addTrustExportCommand(trust: Command, print: Print): void {
  startDataCommand(
    trust,
    "export <file>",
    "write what this machine trusts as a file for `sonde-agent enrol --trust` on other hosts",
  )
    .option("--registry <url>", "the registry's address for other hosts, by default the public one")
    .option("--registry-ca <file>", "with --registry: the authority of its certificate, in PEM")
    .action((file: string, options: Options) => {
      const layout = layoutOf(resolveDataFolder(options.data, process.env));
      const known = requireTrustPolicy(layout.trustPolicy);
      const policy = buildHostPolicy(known, findPlace(layout, options));
      replaceFile(resolve(file), `${JSON.stringify(policy, null, 2)}\n`);
      print(
        options.json
          ? JSON.stringify({ file: resolve(file), signers: listSigners(policy), policy })
          : `${describeTrust(policy)}\nwritten to ${file}. Take it to each host beside the package: sonde-agent enrol shows it there, and asks.`,
      );
    });
}

/** What may be trusted elsewhere: not this machine's own folder of unsigned packs. */
function buildHostPolicy(known: TrustPolicy, place: RegistryPlace): TrustPolicy {
  const { localPacks: _folder, registryCa: _ca, ...rest } = known;
  return parseTrustPolicy({ ...rest, ...place, allowUnsignedPacks: false });
}

function findPlace(layout: DataLayout, { registry, registryCa }: Options): RegistryPlace {
  if (registry !== undefined) {
    return { registry, ...(registryCa !== undefined && { registryCa: readPem(registryCa) }) };
  }
  const { publicRegistryUrl } = readHubEndpoints(layout);
  if (publicRegistryUrl !== undefined) {
    return { registry: publicRegistryUrl, registryCa: readPem(layout.registryCa) };
  }
  throw new SondeError(
    "BAD_REQUEST",
    "expected a registry that other hosts reach; start Sonde with --public-name NAME, or give --registry URL",
  );
}

function readPem(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new SondeError("BAD_REQUEST", `expected a certificate in PEM at ${file}`, { cause });
  }
}
