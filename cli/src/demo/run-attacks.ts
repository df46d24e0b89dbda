import { setTimeout as sleep } from "node:timers/promises";
import type { BuiltPack } from "@sonde/pack-sdk/build";
import { createPublisherKey, signArchive } from "@sonde/pack-sdk/sign";
import { SondeError, type ErrorCode, fromStated, toSondeError } from "@sonde/schemas/errors";
import { askTool } from "../start/first-question.ts";
import { buildDemoPack, ESCAPING_PATH, FORBIDDEN_FILE } from "./demo-pack.ts";
import type { RunningSystem } from "../running-system.ts";
import { clearStage, type Stage, setStage } from "./stage.ts";

/** Outcome of one attack. `code` is null when nothing refused it. */
export type AttackOutcome = {
  attack: string;
  code: ErrorCode | null;
  message: string;
  /**
   * True when the attack was refused with the documented code. Any other outcome is a success of
   * the attack.
   */
  refused: boolean;
};

type Attack = { attack: string; expected: ErrorCode; act: () => Promise<unknown> };

const LISTED_MS = 15_000;

/**
 * Runs real attacks against the running system and reports each outcome. Creates the publisher,
 * pack and grant that it needs, and removes them at the end.
 */
export async function runAttacks(
  system: RunningSystem,
  tell: (outcome: AttackOutcome) => void,
): Promise<AttackOutcome[]> {
  const outcomes: AttackOutcome[] = [];
  await clearStage(system);
  try {
    const stage = await setStage(system);
    // A published version never changes, so each run publishes a new one.
    const run = Math.floor(Date.now() / 1000) % 1_000_000_000;
    const honest = await buildDemoPack(`1.${run}.0`, false);
    for (const attack of [
      ...attacksOnSupply(stage, honest),
      ...(await attacksOnHost(system, stage, honest, `1.${run}.1`)),
    ]) {
      const outcome = await observe(attack);
      outcomes.push(outcome);
      tell(outcome);
    }
  } finally {
    await clearStage(system);
  }
  return outcomes;
}

/** Attacks by a man in the middle, or by a holder of the publisher's token but not its key. */
function attacksOnSupply(stage: Stage, honest: BuiltPack): Attack[] {
  const { archive, manifest } = honest;
  const publish = (bytes: Uint8Array, bundle: string) =>
    stage.publish(manifest.version, bytes, bundle);
  return [
    {
      attack: "one flipped byte in a signed archive",
      expected: "ARCHIVE_INVALID",
      act: () => publish(flipByte(archive), signArchive(archive, stage.privateKey)),
    },
    {
      attack: "an archive signed by somebody else",
      expected: "SIGNER_UNTRUSTED",
      act: async () =>
        publish(archive, signArchive(archive, (await createPublisherKey()).privateKey)),
    },
  ];
}

/** Attacks on the host by an approved pack or by a caller of its tools. */
async function attacksOnHost(
  system: RunningSystem,
  stage: Stage,
  honest: BuiltPack,
  nextVersion: string,
): Promise<Attack[]> {
  const { archive, manifest } = honest;
  await stage.publish(manifest.version, archive, signArchive(archive, stage.privateKey));
  await stage.order(honest, "pending");
  await stage.approve();
  const ask = (probe: string, args: Record<string, unknown>) =>
    askWhenListed(system, `attack-demo__visitor_${probe}`, args);
  return [
    {
      attack: "a pack whose code never ends",
      expected: "PACK_TIMEOUT",
      act: () => ask("loop", {}),
    },
    {
      attack: `a read past its grant: the parameter ${ESCAPING_PATH}`,
      expected: "PARAMS_INVALID",
      act: () => ask("look", { file: ESCAPING_PATH }),
    },
    {
      attack: `a read past its grant: an upgrade that also reads ${FORBIDDEN_FILE}`,
      expected: "READ_NOT_GRANTED",
      act: () => upgrade(system, stage, nextVersion),
    },
  ];
}

/**
 * The registry accepts the upgrade, since its publisher signed it. The host holds it until a person
 * approves.
 */
async function upgrade(system: RunningSystem, stage: Stage, version: string): Promise<void> {
  const greedy = await buildDemoPack(version, true);
  const bundle = signArchive(greedy.archive, stage.privateKey);
  await stage.publish(version, greedy.archive, bundle);
  await stage.order(greedy, "held");
  const held = (await system.agent.packs()).find(({ digest }) => digest === greedy.digest);
  if (held?.probes.length === 0 && held.reason !== null) {
    throw fromStated(held.reason);
  }
}

/** The hub lists a tool shortly after the agent reports the pack. */
async function askWhenListed(
  { mcpUrl, apiKey, agentName }: RunningSystem,
  tool: string,
  args: Record<string, unknown>,
): Promise<unknown> {
  for (const end = Date.now() + LISTED_MS; ; await sleep(200)) {
    try {
      return await askTool(mcpUrl, apiKey, tool, { agent: agentName, ...args });
    } catch (thrown) {
      const early = thrown instanceof SondeError && thrown.code === "PROBE_UNKNOWN";
      if (!early || Date.now() > end) throw thrown;
    }
  }
}

async function observe({ attack, expected, act }: Attack): Promise<AttackOutcome> {
  try {
    await act();
    return { attack, code: null, message: "nothing refused it", refused: false };
  } catch (thrown) {
    const { code, message } = toSondeError(thrown);
    return { attack, code, message, refused: code === expected };
  }
}

function flipByte(archive: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(archive);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  return bytes;
}
