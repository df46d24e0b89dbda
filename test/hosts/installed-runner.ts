import type { PackTest } from "@sonde/pack-sdk/testing";
import { describeRunnerGroups, type GrantFile, parseGrantFile } from "@sonde/schemas/agent";
import type { Manifest } from "@sonde/schemas/manifest";
import { parseJson } from "@sonde/schemas/parse";
import { type FilledRead, parseRunnerOutcomes, type RunnerOutcome } from "@sonde/schemas/reads";
import { encodeStreamFrame, type Frame, FrameReader } from "@sonde/schemas/wire";
import { collectReads } from "../../agent/daemon/src/core/collect-reads.ts";
import { type Judgement, judge } from "../../foundation/runbooks/src/index.ts";
import { planReads } from "../../foundation/sources/src/fill-reads.ts";
import { deriveWindows } from "../../foundation/sources/src/index.ts";
import type { Host } from "./host.ts";

// The runners of an installed agent, asked without the agent, under grants of root.

/** As `sonde-agent approve` grants a whole pack. */
export function grantPack(
  host: Host,
  { name, requires, sources }: Manifest,
  more: Partial<GrantFile> = {},
): void {
  const file: GrantFile = {
    ...{ pack: name, digest: `sha256:${"a".repeat(64)}`, requires },
    ...{
      windows: deriveWindows(sources),
      approvedBy: "root",
      approvedAt: "2026-01-01T00:00:00.000Z",
    },
    ...more,
  };
  parseGrantFile(file);
  host.writeFile(
    `/etc/sonde-agent/grants/${name.replace("/", "--")}.json`,
    `${JSON.stringify(file)}\n`,
  );
}

/**
 * Makes a runner of the installed agent ready to be asked.
 *
 * @param groups those of the runner, which the instance is called after
 */
export async function readyRunner(host: Host, groups: readonly string[] = []): Promise<void> {
  const instance = `sonde-runner@${groups.length === 0 ? "no-groups" : groups.join(":")}`;
  const folder = `/etc/systemd/system/${instance}.service.d`;
  await host.mustExec(["mkdir", folder]);
  if (groups.length > 0) host.writeFile(`${folder}/groups.conf`, describeRunnerGroups(groups));
  // An agent keeps its connection. Here each question has one, and so a start of the runner.
  host.writeFile(`${folder}/limit.conf`, "[Unit]\nStartLimitIntervalSec=0\n");
  await host.mustExec(["systemctl", "daemon-reload"]);
  await host.mustExec(["systemctl", "start", `${instance}.socket`]);
}

/** Sends one frame, and prints what came until the second frame was whole. */
const ASK = `const socket = require("net").connect(process.argv[1]);
let all = Buffer.alloc(0);
socket.write(Buffer.from(process.argv[2], "base64"));
socket.on("data", (data) => {
  all = Buffer.concat([all, data]);
  const first = all.length < 4 ? Infinity : all.readUInt32BE(0) + 4;
  if (all.length < first + 4 || all.length < first + 4 + all.readUInt32BE(first)) return;
  process.stdout.write(all.toString("base64"));
  socket.destroy();
});`;

/**
 * Asks a runner of the host, as the agent does.
 *
 * @param runner the name of its instance
 */
export async function askInstalledRunner(
  host: Host,
  runner: string,
  reads: FilledRead[],
): Promise<Record<string, RunnerOutcome>> {
  const frame = encodeStreamFrame({ id: 1, op: "read", reads, timeoutMs: 20_000 });
  const out = await host.mustExec([
    ...["setpriv", "--reuid=sonde", "--regid=sonde", "--clear-groups"],
    ...["/usr/lib/sonde-agent/node", "-e", ASK],
    ...[`/run/sonde-agent/runners/${runner}.sock`, frame.toString("base64")],
  ]);
  const frames: Frame[] = [];
  new FrameReader((one) => frames.push(one)).push(Buffer.from(out, "base64"));
  return parseRunnerOutcomes(
    parseJson(frames[1]?.body ?? Buffer.alloc(0), "outcomes", "RUNNER_UNAVAILABLE"),
  );
}

/**
 * Asks one probe of a pack. The pack's code runs on this side.
 *
 * @param runner the name of its instance
 * @throws Error for an answer that is a failure
 */
export async function askPack(
  host: Host,
  runner: string,
  pack: PackTest,
  probe: string,
  params: Record<string, unknown>,
): Promise<unknown> {
  const now = Date.now();
  const reads = await collectReads(planReads(pack.built.manifest, probe, params), {
    perform: async (asked) =>
      new Map(Object.entries(await askInstalledRunner(host, runner, asked))),
    scrubFound: (outcome) => outcome,
    requireDone: () => undefined,
    noteFound: () => Promise.resolve(),
  });
  const captured = { tool: "this host", distribution: "this host" };
  const outcome = await pack.run({ captured, probe, params, now, reads });
  if (!("result" in outcome)) throw new Error(JSON.stringify({ outcome, reads }));
  return outcome.result;
}

/** Asks the probes of the pack's runbook and judges their answers, as the hub does. */
export async function diagnoseHost(host: Host, runner: string, pack: PackTest): Promise<Judgement> {
  const { name, runbook } = pack.built.manifest;
  if (runbook === undefined) throw new Error(`${name} has no runbook`);
  const answers = new Map<string, Record<string, unknown>>();
  for (const [as, { probe, params = {} }] of Object.entries(runbook.probes)) {
    const answer = await askPack(host, runner, pack, probe, params);
    answers.set(as, answer as Record<string, unknown>);
  }
  return judge(runbook, answers);
}
