import type { PackName, PublishEntry, TrustPolicy, Version } from "@sonde/schemas";
import { admitPack } from "@sonde/trust/admit";
import type { HubPack } from "../core/catalog.ts";
import { HUB_VERSION } from "../core/hub-version.ts";
import type { RegistryFollower } from "../core/registry-follower.ts";
import type { HubStore } from "./store/hub-store.ts";

export type ObtainOptions = {
  policy: TrustPolicy;
  registry: RegistryFollower;
  /** The admit program's file. */
  admitPath: string;
  storeDir: string;
  store: HubStore;
  now: () => Date;
};

/**
 * Gets a published version and verifies it by this hub's own policy, in the
 * admit process. Which archive that is comes from the registry's log.
 *
 * @param wanted a version, or a range such as `^1`
 * @param agentVersion of the agent it is for
 * @throws SondeError REGISTRY_UNAVAILABLE, NOT_FOUND or the verifier's code
 */
export async function obtainPack(
  options: ObtainOptions,
  name: PackName,
  wanted: string,
  agentVersion: Version | null,
): Promise<HubPack> {
  const { registry, policy, store } = options;
  const { version, digest }: PublishEntry = await registry.choose(
    name,
    wanted,
    agentVersion ?? HUB_VERSION,
  );
  const admitted = await admitPack(options.admitPath, {
    registry: policy.registry,
    name,
    version,
    digest,
    policy,
    log: await registry.place(),
    agentVersion: HUB_VERSION,
    storeDir: options.storeDir,
  });
  const { signer, manifest } = admitted;
  await store.savePack({ digest, name, version, signer, manifest, at: options.now() });
  return { digest, name, version, manifest };
}
