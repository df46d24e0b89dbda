import { join } from "node:path";
import { openPackTest, type PackTest } from "@sonde/pack-sdk/testing";
import type { Manifest } from "@sonde/schemas/manifest";
import { collectReads } from "../../agent/daemon/src/core/collect-reads.ts";
import type { Collected } from "../../agent/daemon/src/core/scrub-reads.ts";
import { type Judgement, judge } from "../../foundation/runbooks/src/index.ts";
import { planReads } from "../../foundation/sources/src/fill-reads.ts";
import { until, workspace } from "../product/start-product.ts";
import { createTestBench, type TestBench } from "./start-runner.ts";

/** An official pack of this clone, whose reads a real runner performs on this machine. */
export type AskedPack = {
  readonly manifest: Manifest;
  /** @throws Error for an answer that is a failure */
  ask(probe: string, params?: Record<string, unknown>): Promise<unknown>;
  /** What the runner reads for a call, as the agent has it before its scrubber. */
  read(probe: string): Promise<Collected>;
  /** Asks the probes of its runbook together, and judges the answers as the hub does. */
  diagnose(): Promise<Judgement>;
  close(): Promise<void>;
};

/** @param script runs as root before the runner starts, in a mount table of its own */
export async function openAskedPack(name: string, script?: string): Promise<AskedPack> {
  const [bench, pack] = await Promise.all([
    createTestBench(),
    openPackTest(join(workspace, "packs", name)),
  ]);
  if (script === undefined) bench.startRunner();
  else bench.startRunnerAmongMounts(script);
  await until("the runner", () => bench.link.runners().length === 1);
  return {
    manifest: pack.built.manifest,
    ask: (probe, params = {}) => ask(bench, pack, probe, params),
    read: (probe) => readAll(bench, pack.built.manifest, probe, {}),
    async diagnose() {
      const { runbook } = pack.built.manifest;
      if (runbook === undefined) throw new Error(`sonde/${name} has no runbook`);
      const answers = await Promise.all(
        Object.entries(runbook.probes).map(
          async ([as, { probe, params = {} }]): Promise<[string, Record<string, unknown>]> => [
            as,
            (await ask(bench, pack, probe, params)) as Record<string, unknown>,
          ],
        ),
      );
      return judge(runbook, new Map(answers));
    },
    async close() {
      pack.close();
      await bench.close();
    },
  };
}

async function readAll(
  { link }: TestBench,
  manifest: Manifest,
  probe: string,
  params: Record<string, unknown>,
): Promise<Collected> {
  return collectReads(planReads(manifest, probe, params), {
    async perform(asked) {
      if (asked.length === 0) return new Map();
      const { reads } = await link.read(asked, 20_000, [], true);
      return new Map(Object.entries(reads));
    },
    scrubFound: (outcome) => outcome,
    requireDone: () => undefined,
    noteFound: () => Promise.resolve(),
  });
}

async function ask(
  bench: TestBench,
  pack: PackTest,
  probe: string,
  params: Record<string, unknown>,
): Promise<unknown> {
  const now = Date.now();
  const reads = await readAll(bench, pack.built.manifest, probe, params);
  const captured = { tool: "this machine", distribution: "this machine" };
  const outcome = await pack.run({ captured, probe, params, now, reads });
  if (!("result" in outcome)) throw new Error(JSON.stringify(outcome));
  return outcome.result;
}
