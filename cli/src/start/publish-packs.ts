import { execFile } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { parsePublishedVersion, SondeError, type TrustPolicy } from "@sonde/schemas";
import { buildPack } from "@sonde/pack-sdk/build";
import { createPublisherKey, signArchive } from "@sonde/pack-sdk/sign";
import { archiveDigest } from "@sonde/trust/archive";
import type { DataLayout } from "../data-layout.ts";
import { requestJson } from "../http-json.ts";
import { publishArchive } from "../pack/publish-archive.ts";
import { writeAtomically } from "./prepare-data.ts";
import type { Progress } from "./progress.ts";
import type { Services } from "./start-services.ts";

const run = promisify(execFile);
const PUBLISHER = "sonde";

/**
 * Builds the official packs from this clone, signs them with this machine's own
 * publisher key and publishes what the registry does not have yet, all as any
 * author would.
 *
 * @returns pack name -> version
 */
export async function publishOfficialPacks(
  layout: DataLayout,
  services: Services,
  options: { workspace: string; progress: Progress },
  names: string[],
): Promise<Map<string, string>> {
  const key = await ensurePublisher(layout, services);
  const versions = new Map<string, string>();
  for (const name of names) {
    await options.progress.step(`Pack ${PUBLISHER}/${name}`, async () => {
      const { archive, manifest } = await buildPack(join(options.workspace, "packs", name));
      versions.set(manifest.name, manifest.version);
      const published = await findPublished(
        services.urls.registry,
        manifest.name,
        manifest.version,
      );
      if (published === archiveDigest(archive)) return;
      const bundle = Buffer.from(signArchive(archive, createPrivateKey(key.privateKey)));
      await publishArchive(services.urls.registry, key.token, new Uint8Array(archive), bundle);
    });
  }
  return versions;
}

type Publisher = { privateKey: string; token: string };

/** On first use: a key, its entry in the registry, and this machine's trust in it. */
async function ensurePublisher(layout: DataLayout, services: Services): Promise<Publisher> {
  const keyFile = join(layout.publishers, `${PUBLISHER}.key`);
  const publicKeyFile = `${keyFile}.pub`;
  const tokenFile = join(layout.publishers, `${PUBLISHER}.token`);
  if (!existsSync(keyFile)) {
    const made = await createPublisherKey();
    writeAtomically(publicKeyFile, made.publicKeyPem);
    writeAtomically(
      keyFile,
      made.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      0o600,
    );
  }
  const policy: TrustPolicy = {
    registry: services.urls.registry,
    publishers: {
      ...readPolicy(layout)?.publishers,
      [PUBLISHER]: {
        keys: [{ algorithm: "rsa-sha256", publicKey: readFileSync(publicKeyFile, "utf8") }],
        identities: [],
      },
    },
    allowUnsignedPacks: false,
  };
  writeAtomically(layout.trustPolicy, `${JSON.stringify(policy, null, 2)}\n`);
  if (!existsSync(tokenFile)) {
    const { command, args } = services.registryCommand([
      "publisher",
      "add",
      PUBLISHER,
      "--key",
      publicKeyFile,
    ]);
    const { stdout } = await run(command, args);
    const { token } = JSON.parse(stdout) as { token: string };
    writeAtomically(tokenFile, token, 0o600);
  }
  return {
    privateKey: readFileSync(keyFile, "utf8"),
    token: readFileSync(tokenFile, "utf8").trim(),
  };
}

/** Publishers that the administrator added stay; see docs/SECURITY.md. */
function readPolicy(layout: DataLayout): TrustPolicy | null {
  if (!existsSync(layout.trustPolicy)) return null;
  return JSON.parse(readFileSync(layout.trustPolicy, "utf8")) as TrustPolicy;
}

async function findPublished(
  registry: string,
  name: string,
  version: string,
): Promise<string | null> {
  try {
    const answer = await requestJson({
      method: "GET",
      target: { url: registry },
      path: `/api/v1/packs/${name}/${version}`,
      unavailable: "REGISTRY_UNAVAILABLE",
      what: "registry",
    });
    return parsePublishedVersion(answer).digest;
  } catch (thrown) {
    if (thrown instanceof SondeError && thrown.code === "NOT_FOUND") return null;
    throw thrown;
  }
}
