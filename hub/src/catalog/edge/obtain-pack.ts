import { SondeError } from "@sonde/schemas/errors";
import { type PackName, Version } from "@sonde/schemas/names";
import { buildValueChecker } from "@sonde/schemas/parse";
import { RELEASE } from "@sonde/schemas/release";
import { type AdmittedPack, type TrustPolicy } from "@sonde/schemas/trust";
import { admitPack, readReadme } from "@sonde/trust/admit";
import type { HubPack } from "../../directory/index.ts";
import type { RegistryFollower } from "../../registry-log/index.ts";
import type { PackStore } from "./pack-store.ts";

export type ObtainOptions = {
  policy: TrustPolicy;
  registry: RegistryFollower;
  /** Path of the admit program. */
  admitPath: string;
  storeDir: string;
  store: PackStore;
  now: () => Date;
};

const misfitOfVersion = buildValueChecker(Version);

/**
 * Fetches a version and verifies it by this hub's policy in the admit process. A pack in the local
 * folder comes first when the policy allows unsigned packs; otherwise the published version is
 * used. The registry's log decides which archive a published version is.
 *
 * @param wanted a version, or a range such as `^1`
 * @param agentVersion version of the agent that gets the pack; null when unknown
 * @throws SondeError REGISTRY_UNAVAILABLE, NOT_FOUND or the verifier's code
 */
export async function obtainPack(
  options: ObtainOptions,
  name: PackName,
  wanted: string,
  agentVersion: Version | null,
): Promise<HubPack> {
  const admitted =
    (await admitLocal(options, name, wanted)) ??
    (await admitPublished(options, name, wanted, agentVersion));
  const { digest, version, signer, manifest, proof } = admitted;
  const pack = { digest, name, version, signer, manifest };
  const readme = await readReadme(options.storeDir, digest);
  await options.store.savePack(pack, readme, options.now(), proof);
  return pack;
}

async function admitLocal(
  options: ObtainOptions,
  name: PackName,
  wanted: string,
): Promise<AdmittedPack | null> {
  const { allowUnsignedPacks, localPacks } = options.policy;
  if (!allowUnsignedPacks || localPacks === undefined) return null;
  if (misfitOfVersion(wanted) !== null) return null;
  try {
    const own = { name, version: wanted, digest: null, log: null, proves: true };
    return await admitPack(options.admitPath, buildRequest(options, own));
  } catch (thrown) {
    if (thrown instanceof SondeError && thrown.code === "NOT_FOUND") return null;
    throw thrown;
  }
}

async function admitPublished(
  options: ObtainOptions,
  name: PackName,
  wanted: string,
  agentVersion: Version | null,
): Promise<AdmittedPack> {
  const { registry } = options;
  const { version, digest } = await registry.choose(name, wanted, agentVersion ?? RELEASE);
  const log = await registry.place();
  // A pack of an earlier release has none yet.
  const proves = (await options.store.readProof(digest)) === null;
  const asked = { name, version, digest, log, proves };
  return await admitPack(options.admitPath, buildRequest(options, asked));
}

type Asked = Pick<
  Parameters<typeof admitPack>[1],
  "name" | "version" | "digest" | "log" | "proves"
>;

function buildRequest({ policy, storeDir }: ObtainOptions, asked: Asked) {
  return { ...asked, registry: policy.registry, policy, agentVersion: RELEASE, storeDir };
}
