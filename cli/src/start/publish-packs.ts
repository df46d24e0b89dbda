import { createPrivateKey } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { parsePublishedVersion } from "@sonde/schemas/registry";
import { buildPack } from "@sonde/pack-sdk/build";
import { createPublisherKey, signArchive } from "@sonde/pack-sdk/sign";
import { archiveDigest } from "@sonde/trust/archive";
import type { DataLayout } from "../data-layout.ts";
import { requestJson } from "../http-json.ts";
import { findPacks } from "../pack/find-packs.ts";
import { publishArchive } from "../pack/publish-archive.ts";
import { writeAtomically } from "../write-atomically.ts";
import { addPublisher } from "../registry-operator-client.ts";
import {
  addTrustedKey,
  aimAtOwnRegistry,
  readTrustPolicy,
  writeTrustPolicy,
} from "../trust-policy-file.ts";
import type { Progress } from "./progress.ts";
import type { Services } from "./start-services.ts";

const PUBLISHER = "sonde";

/**
 * Builds the official packs (the folders in `packs/` of this clone), signs them with this machine's
 * own publisher key, and publishes the versions that the registry lacks. It uses the interface that
 * every author uses.
 *
 * @returns pack name -> version
 */
export async function publishOfficialPacks(
  layout: DataLayout,
  services: Services,
  options: { workspace: string; progress: Progress },
): Promise<Map<string, string>> {
  const key = await ensurePublisher(layout, services);
  const publish = (archive: Uint8Array<ArrayBuffer>, token: string) =>
    publishArchive(
      services.urls.registry,
      token,
      archive,
      Buffer.from(signArchive(archive, createPrivateKey(key.privateKey))),
    );
  const versions = new Map<string, string>();
  for (const folder of findPacks(join(options.workspace, "packs"))) {
    await options.progress.step(`Pack ${PUBLISHER}/${basename(folder)}`, async () => {
      const { archive, manifest } = await buildPack(folder);
      versions.set(manifest.name, manifest.version);
      const published = await findPublished(
        services.urls.registry,
        manifest.name,
        manifest.version,
      );
      if (published === archiveDigest(archive)) return;
      await publish(new Uint8Array(archive), key.token).catch(async (thrown: unknown) => {
        // Tokens expire; a new one comes from the operator's socket.
        if (!(thrown instanceof SondeError) || thrown.code !== "UNAUTHENTICATED") throw thrown;
        key.token = await renewToken(layout, key.publicKey);
        await publish(new Uint8Array(archive), key.token);
      });
    });
  }
  return versions;
}

type Publisher = { privateKey: string; publicKey: string; token: string };

/** On first use, creates a key, registers it, and trusts it on this machine. */
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
  const publicKey = readFileSync(publicKeyFile, "utf8");
  trustPublisher(layout, services, publicKey);
  const token = existsSync(tokenFile)
    ? readFileSync(tokenFile, "utf8").trim()
    : await renewToken(layout, publicKey);
  return { privateKey: readFileSync(keyFile, "utf8"), publicKey, token };
}

async function renewToken(layout: DataLayout, publicKey: string): Promise<string> {
  const { token } = await addPublisher(layout.registrySocket, PUBLISHER, publicKey, true);
  writeAtomically(join(layout.publishers, `${PUBLISHER}.token`), token, 0o600);
  return token;
}

/** Keeps a decision of the administrator; see docs/SECURITY.md. */
function trustPublisher(layout: DataLayout, services: Services, publicKey: string): void {
  const known = readTrustPolicy(layout.trustPolicy);
  const { logKey, urls } = services;
  const policy = aimAtOwnRegistry(known, { registry: urls.registry, logKey });
  writeTrustPolicy(layout.trustPolicy, addTrustedKey(policy, PUBLISHER, publicKey));
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
