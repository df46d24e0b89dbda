import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Host } from "./host.ts";
import {
  askMemory,
  askTool,
  installAll,
  NAMES,
  startInstallable,
  startServing,
} from "./installed-system.ts";
import type { Lab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedInFull } from "./requirements.ts";

// Services that are killed while calls run, and a host that loses its power: systemd starts them again,
// and hub and agent have all that was answered on record. The soak kills at more places, without systemd.

const isChecked = isCheckedInFull("services that are killed, and a host that loses its power");

const CALLERS = 3;
const ROUNDS = 3;
const RECOVERY_MS = 60_000;

let lab: Lab | undefined;
let host: Host;
let key: string;
/** Ids of the calls that were answered. */
const answered: string[] = [];

beforeAll(async () => {
  if (!isChecked) return;
  ({ lab, host } = await startInstallable([obtainPackages(NAMES.toSorted().join(","))]));
}, 900_000);
afterAll(() => lab?.close());

test.runIf(isChecked)(
  "hub, registry and agent are installed, and answer",
  async () => {
    await installAll(host);
    key = await startServing(host);
    expect(await askMemory(host, key)).toBe("ok");
  },
  300_000,
);

/** Asks again and again while `fault` is done, and until all is well again. */
async function askThrough(fault: () => Promise<void>): Promise<void> {
  let isOver = false;
  const asking = Array.from({ length: CALLERS }, async () => {
    while (!isOver) {
      const out = await askTool(host, key, "system_memory_usage").catch(() => "");
      const [, callId] = /"sonde\.dev\/callId":"([^"]+)"/.exec(out) ?? [];
      if (callId !== undefined && out.includes('"status":"ok"')) answered.push(callId);
    }
  });
  try {
    await fault();
    await expect.poll(() => askMemory(host, key), { timeout: RECOVERY_MS }).toBe("ok");
  } finally {
    isOver = true;
    await Promise.all(asking);
  }
}

test.runIf(isChecked).each(["sonde-agent", "sonde-hub", "sonde-runner@*", "sonde-pack-host@*"])(
  "%s is killed while calls run, and is there again without a person",
  async (unit) => {
    for (let round = 0; round < ROUNDS; round++) {
      await askThrough(async () => {
        await sleep(500 + 137 * round);
        await host.mustExec(["systemctl", "kill", "--signal=KILL", unit]);
      });
    }
    expect(await askMemory(host, key)).toBe("ok");
  },
  400_000,
);

test.runIf(isChecked)(
  "the host loses its power while calls run, and answers after it has booted",
  async () => {
    for (let round = 0; round < 2; round++) {
      await askThrough(async () => {
        await sleep(700);
        await host.kill();
        await host.start();
      });
    }
    expect(await askMemory(host, key)).toBe("ok");
  },
  400_000,
);

type Entry = { record: { event: string; callId: string | null } };

const readEntries = (path: string): Entry[] =>
  host
    .readFile(path)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Entry);

/** The calls of which the log has such an entry. */
const idsOf = (entries: readonly Entry[], event: string): string[] =>
  entries.flatMap(({ record: { callId, event: of } }) =>
    of === event && callId !== null ? [callId] : [],
  );

test.runIf(isChecked)(
  "what was answered is on record once, at the hub and on the host, and both logs are whole",
  async () => {
    const own = "sonde-agent audit tail --last 100000 --json > /root/agent.json";
    await host.mustExec(["sh", "-c", own]);
    const logs = ["--agent-log", `${host.name}=/root/agent.json`];
    // Its exit code is 1 for whatever is wrong, a difference between the two logs included.
    const said = await host.exec(["sonde", "audit", "verify", ...logs, "--json"]);
    expect(JSON.parse(said.out)).toMatchObject({ bad: null, differences: [] });
    expect(said.code).toBe(0);
    await host.mustExec(["sonde-agent", "audit", "verify"]);

    await host.mustExec(["sonde", "audit", "export", "--out", "/root/log.jsonl"]);
    const entries = readEntries("/root/log.jsonl").filter((line) => "record" in line);
    const requests = idsOf(entries, "call.request");
    const responses = idsOf(entries, "call.response");
    const unknown = idsOf(entries, "call.unknown");
    const ends = [...responses, ...unknown];
    const answers = idsOf(readEntries("/root/agent.json"), "call.response");
    expect(answered.length).toBeGreaterThan(100);
    // A hub that dies within 20 ms of an answer has no other word of it than that it is unknown.
    expect(answered.filter((id) => !requests.includes(id) || !ends.includes(id))).toEqual([]);
    expect(answered.filter((id) => !answers.includes(id))).toEqual([]);
    for (const ids of [requests, ends, answers]) expect(new Set(ids).size).toBe(ids.length);
    expect(responses.length).toBeGreaterThan(unknown.length);

    const callId = answered.find((id) => responses.includes(id)) ?? "";
    const out = ["--out", "/root/evidence.json"];
    expect(await host.mustExec(["sonde", "evidence", "export", callId, ...out])).toMatch(
      /^PROVEN {2}answer: agent all-1: /m,
    );
  },
  200_000,
);
