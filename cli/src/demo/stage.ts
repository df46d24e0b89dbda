import type { KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { BuiltPack } from "@sonde/pack-sdk/build";
import { createPublisherKey } from "@sonde/pack-sdk/sign";
import { readRefusal, SondeError } from "@sonde/schemas/errors";
import { type PackState } from "@sonde/schemas/wire";
import { everyItem } from "../agent/choose-items.ts";
import { removeGrant, writeGrant } from "../agent/grant-files.ts";
import { addPublisher } from "../registry-operator-client.ts";
import { requireRegistryListener } from "../require-listener.ts";
import type { RunningSystem } from "../running-system.ts";
import { addTrustedKey, changeTrustPolicy, readTrustPolicy } from "../trust-policy-file.ts";
import { DEMO_PACK, DEMO_PUBLISHER } from "./demo-pack.ts";

const WAIT_MS = 60_000;

/** A temporary publisher that the registry knows and the host trusts during the demonstration. */
export type Stage = {
  privateKey: KeyObject;
  /** Uploads exactly these bytes, as anybody with the publisher's token could. */
  publish(version: string, archive: Uint8Array, bundle: string): Promise<void>;
  /** Tells the hub to assign the version. Resolves when the agent reports it in that state. */
  order(pack: BuiltPack, state: PackState): Promise<void>;
  /** Grants what the present version asks for, as a person on the host would. */
  approve(): Promise<void>;
};

export async function setStage(system: RunningSystem): Promise<Stage> {
  const { layout, registryUrl, hub, agent, agentName } = system;
  const key = await createPublisherKey();
  const { token } = await addPublisher(layout.registrySocket, DEMO_PUBLISHER, key.publicKeyPem);
  changeTrustPolicy(layout.trustPolicy, (policy) =>
    addTrustedKey(policy, DEMO_PUBLISHER, key.publicKeyPem),
  );
  const untilState = async (version: string, state: PackState) => {
    for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(100)) {
      const packs = await agent.packs();
      const found = packs.find((pack) => pack.name === DEMO_PACK && pack.version === version);
      if (found?.state === state) return;
    }
    throw new SondeError("STARTING_FAILED", `waited for ${DEMO_PACK} ${version} to be ${state}`);
  };
  return {
    privateKey: key.privateKey,
    publish: (version, archive, bundle) =>
      putVersion(`${registryUrl}/api/v1/packs/${DEMO_PACK}/${version}`, token, archive, bundle),
    async order({ manifest }, state) {
      await hub.assignPack(agentName, DEMO_PACK, manifest.version);
      await untilState(manifest.version, state);
    },
    async approve() {
      const shown = await agent.explain(DEMO_PACK);
      writeGrant(
        layout.grants,
        shown,
        { items: everyItem(shown) },
        "npm run demo:attack",
        new Date(),
      );
      await agent.reload();
      await untilState(shown.version, "active");
    },
  };
}

/** Uploads without the checks of `sonde-pack publish`, which would refuse a broken archive. */
async function putVersion(
  address: string,
  token: string,
  archive: Uint8Array,
  bundle: string,
): Promise<void> {
  const form = new FormData();
  form.append("bundle", new Blob([bundle]), "bundle.json");
  form.append("archive", new Blob([Uint8Array.from(archive)]), "archive.tgz");
  const headers = { authorization: `Bearer ${token}` };
  requireRegistryListener(address);
  const response = await fetch(address, { method: "PUT", headers, body: form });
  if (response.ok) return;
  const refusal = readRefusal(await response.json());
  throw new SondeError(
    refusal?.code ?? "REGISTRY_UNAVAILABLE",
    refusal?.message ?? `expected a known answer, got status ${response.status}`,
  );
}

/**
 * Removes the pack, grant and trust of a demonstration, also of one that was interrupted. Published
 * versions stay in the registry, because versions never change; no host trusts their publisher.
 */
export async function clearStage(system: RunningSystem): Promise<void> {
  const { layout, hub, agent, agentName } = system;
  const ordered = (await hub.listAgents()).find(({ name }) => name === agentName)?.desired ?? [];
  if (ordered.some(({ name }) => name === DEMO_PACK)) await hub.removePack(agentName, DEMO_PACK);
  removeGrant(layout.grants, DEMO_PACK);
  await agent.reload();
  if (readTrustPolicy(layout.trustPolicy)?.publishers[DEMO_PUBLISHER] === undefined) return;
  changeTrustPolicy(layout.trustPolicy, (policy) => {
    const { [DEMO_PUBLISHER]: _gone, ...publishers } = policy.publishers;
    return { ...policy, publishers };
  });
}
