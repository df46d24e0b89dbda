import { createPrivateKey } from "node:crypto";
import { existsSync } from "node:fs";
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
import { readOwn } from "../read-back.ts";
import { replaceFile } from "@sonde/files";
import { addPublisher } from "../registry-operator-client.ts";
import { addTrustedKey, aimAtOwnRegistry, setTrustPolicy } from "../trust-policy-file.ts";
import type { Progress } from "./progress.ts";
import type { Services } from "./start-services.ts";

type Registry = Pick<Services, "urls" | "logKey">;

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
  services: Registry,
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
async function ensurePublisher(layout: DataLayout, services: Registry): Promise<Publisher> {
  const keyFile = join(layout.publishers, `${PUBLISHER}.key`);
  const publicKeyFile = `${keyFile}.pub`;
  const tokenFile = join(layout.publishers, `${PUBLISHER}.token`);
  if (!existsSync(keyFile)) {
    const made = await createPublisherKey();
    replaceFile(publicKeyFile, made.publicKeyPem);
    replaceFile(
      keyFile,
      made.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      0o600,
    );
  }
  const publicKey = readRequired(publicKeyFile);
  trustPublisher(layout, services, publicKey);
  const token = readOwn(tokenFile)?.trim() ?? (await renewToken(layout, publicKey));
  return { privateKey: readRequired(keyFile), publicKey, token };
}

function readRequired(file: string): string {
  const text = readOwn(file);
  if (text !== null) return text;
  throw new SondeError("CONFIG_INVALID", `expected a key at ${file}, got nothing`);
}

async function renewToken(layout: DataLayout, publicKey: string): Promise<string> {
  const { token } = await addPublisher(layout.registrySocket, PUBLISHER, publicKey, true);
  replaceFile(join(layout.publishers, `${PUBLISHER}.token`), token, 0o600);
  return token;
}

/** Keeps a decision of the administrator; see docs/SECURITY.md. */
function trustPublisher(layout: DataLayout, services: Registry, publicKey: string): void {
  const { logKey, urls } = services;
  setTrustPolicy(layout.trustPolicy, (known) => {
    const policy = aimAtOwnRegistry(known, { registry: urls.registry, logKey });
    return addTrustedKey(policy, PUBLISHER, publicKey);
  });
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
