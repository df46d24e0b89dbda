import {
  parseJson,
  parsePublishedVersion,
  readCapped,
  SondeError,
  type TrustPolicy,
  type Version,
} from "@sonde/schemas";
import { admitPack } from "@sonde/trust/admit";
import type { HubPack } from "../core/catalog.ts";
import { HUB_VERSION } from "../core/hub-version.ts";
import type { HubStore } from "./store/hub-store.ts";

const TIMEOUT_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

export type ObtainOptions = {
  policy: TrustPolicy;
  /** The admit program's file. */
  admitPath: string;
  storeDir: string;
  store: HubStore;
  now: () => Date;
};

/**
 * Gets a published version and verifies it by this hub's own policy, in the
 * admit process. What the registry says is only used to find the archive.
 *
 * @throws SondeError REGISTRY_UNAVAILABLE, NOT_FOUND or the verifier's code
 */
export async function obtainPack(
  options: ObtainOptions,
  name: string,
  version: Version,
): Promise<HubPack> {
  const { digest } = await fetchVersion(options.policy.registry, name, version);
  const admitted = await admitPack(options.admitPath, {
    registry: options.policy.registry,
    name,
    version,
    digest,
    policy: options.policy,
    agentVersion: HUB_VERSION,
    storeDir: options.storeDir,
  });
  const { signer, manifest } = admitted;
  await options.store.savePack({ digest, name, version, signer, manifest, at: options.now() });
  return { digest, name, version, manifest };
}

async function fetchVersion(registry: string, name: string, version: Version) {
  const url = new URL(`/api/v1/packs/${name}/${version}`, registry);
  let response: Response;
  let bytes: Buffer;
  try {
    response = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
    bytes = await readCapped(response.body, MAX_ANSWER_BYTES, () => {
      return new SondeError("REGISTRY_UNAVAILABLE", "expected a short answer, got a long one");
    });
  } catch (cause) {
    if (cause instanceof SondeError) throw cause;
    throw new SondeError("REGISTRY_UNAVAILABLE", `the registry at ${registry} did not answer`, {
      cause,
    });
  }
  if (response.status === 404) {
    throw new SondeError("NOT_FOUND", `the registry has no ${name} ${version}`);
  }
  if (!response.ok) {
    throw new SondeError("REGISTRY_UNAVAILABLE", `the registry answered ${response.status}`);
  }
  return parsePublishedVersion(parseJson(bytes, "registry answer", "REGISTRY_UNAVAILABLE"));
}
