import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { replaceFile } from "@sonde/files";
import type { BuiltPack } from "@sonde/pack-sdk/build";
import { SondeError } from "@sonde/schemas/errors";
import type { PackReport } from "@sonde/schemas/wire";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import type { HubClient } from "../hub-client.ts";
import { chooseAgent, connectHub, type HubOptions } from "../operator/connect-hub.ts";
import { requireTrustPolicy } from "../trust-policy-file.ts";

/** A host that loads what its administrator builds, without a signature. */
export type DevHost = {
  agent: string;
  /** The folder from which the host loads unsigned packs. */
  localPacks: string;
  /**
   * Puts the archive into that folder and has the hub assign it. Waits until the agent has decided,
   * or until the signal.
   *
   * @returns what the agent says of this archive, null when it says nothing in time; and the probes
   *   whose changed words wait for an approval on the hub
   */
  reload(built: BuiltPack, signal: AbortSignal): Promise<Reloaded>;
};

export type Reloaded = { report: PackReport | null; held: string[] };

const DECIDED_WITHIN_MS = 20_000;
const POLL_MS = 200;
/** States on the way to a decision. */
const UNDECIDED = new Set(["fetched", "verified"]);

/**
 * @param folder the pack's folder, for the next step in the error
 * @throws SondeError SIGNATURE_MISSING when the host demands signatures, STARTING_FAILED when
 *   nothing runs in the data folder, BAD_REQUEST when several agents are enrolled
 */
export async function openDevHost(
  folder: string,
  options: HubOptions,
  env: NodeJS.ProcessEnv,
): Promise<DevHost> {
  const layout = layoutOf(resolveDataFolder(options.data, env));
  const { client } = connectHub(options);
  const { allowUnsignedPacks, localPacks } = requireTrustPolicy(layout.trustPolicy);
  if (!allowUnsignedPacks || localPacks === undefined) {
    const own = path.resolve(folder, "dist");
    throw new SondeError(
      "SIGNATURE_MISSING",
      `expected a host that allows unsigned packs, got one that demands signatures; run: sonde trust allow-unsigned ${own} --data ${layout.root}`,
    );
  }
  const agent = await chooseAgent(client, options.agent);
  return {
    agent,
    localPacks,
    async reload(built, signal) {
      replaceFile(path.join(localPacks, built.fileName), built.archive);
      const { name, version } = built.manifest;
      await client.assignPack(agent, name, version);
      const report = await untilDecided(client, agent, built, signal);
      const { held } = await client.listPins();
      const own = held.filter(({ packDigest }) => packDigest === built.digest);
      return { report, held: own.map(({ probe }) => probe) };
    },
  };
}

async function untilDecided(
  client: HubClient,
  agent: string,
  { digest }: BuiltPack,
  signal: AbortSignal,
): Promise<PackReport | null> {
  const end = performance.now() + DECIDED_WITHIN_MS;
  while (performance.now() < end && !signal.aborted) {
    const known = (await client.listAgents()).find(({ name }) => name === agent);
    const report = known?.packs.find((pack) => pack.digest === digest);
    if (report !== undefined && !UNDECIDED.has(report.state)) return report;
    await sleep(POLL_MS);
  }
  return null;
}
