import { join } from "node:path";
import { openPackTest, type PackTest } from "@sonde/pack-sdk/testing";
import type { Manifest } from "@sonde/schemas/manifest";
import { type Judgement, judge } from "../../foundation/runbooks/src/index.ts";
import { fillReads } from "../../foundation/sources/src/fill-reads.ts";
import { until, workspace } from "../product/start-product.ts";
import { createTestBench, type TestBench } from "./start-runner.ts";

/** An official pack of this clone, whose reads a real runner performs on this machine. */
export type AskedPack = {
  readonly manifest: Manifest;
  /** @throws Error for an answer that is a failure */
  ask(probe: string, params?: Record<string, unknown>): Promise<unknown>;
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

async function ask(
  bench: TestBench,
  pack: PackTest,
  probe: string,
  params: Record<string, unknown>,
): Promise<unknown> {
  const filled = fillReads(pack.built.manifest, probe, params);
  const now = Date.now();
  const { reads } = await bench.link.read(filled, 20_000, [], true);
  const captured = { tool: "this machine", distribution: "this machine" };
  const outcome = await pack.run({ captured, probe, params, now, reads });
  if (!("result" in outcome)) throw new Error(JSON.stringify(outcome));
  return outcome.result;
}
