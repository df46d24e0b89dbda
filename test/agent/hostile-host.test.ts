import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type RunAsk,
  type RunnerLink,
  createRunnerLink,
} from "../../agent/daemon/src/edge/runner-link/runner-link.ts";
import { startChild } from "../../agent/runner/src/pack-host-pool/launch-child.ts";
import type { PackHostLauncher } from "../../agent/runner/src/pack-host-pool/pack-host-launcher.ts";
import {
  createPackQueues,
  type PackQueues,
} from "../../agent/runner/src/pack-host-pool/pack-queues.ts";
import { serveAgent } from "../../agent/runner/src/serve-agent.ts";
import { buildRights } from "@sonde/schemas/testing";

// The runner against hostile pack hosts: real processes that speak the protocol.
let folder: string;
let link: RunnerLink;
let server: Server | undefined;
let ask: RunAsk;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "hostile-"));
  const code = "the host does not look at it";
  const codePath = join(folder, "index.js");
  writeFileSync(codePath, code);
  const digest = `sha256:${createHash("sha256").update(code).digest("hex")}`;
  ask = {
    ...{ packDigest: digest, codePath, codeSha256: digest, probeName: "a" },
    ...{ input: Buffer.from("{}"), timeoutMs: 5000, memoryMb: 32 },
  };
  const runners = [{ socketPath: join(folder, "s"), groups: [] }];
  link = createRunnerLink({ runners, sharedGroups: [], log: () => undefined });
});
afterEach(async () => {
  link.close();
  server?.close();
  rmSync(folder, { recursive: true });
});

/** Answers "load" with ready, and each call with a result of this many bytes. */
const hostProgram = (bytes: number) => `
  const send = (value, body = Buffer.alloc(0)) => {
    const head = Buffer.from(JSON.stringify(value));
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32BE(4 + head.length + body.length, 0);
    lengths.writeUInt32BE(head.length, 4);
    process.stdout.write(Buffer.concat([lengths, head, body]));
  };
  let held = Buffer.alloc(0);
  process.stdin.on("end", () => process.exit()).on("data", (chunk) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 4 && held.length >= 4 + held.readUInt32BE()) {
      const end = 4 + held.readUInt32BE();
      const { op, id } = JSON.parse(held.subarray(8, 8 + held.readUInt32BE(4)));
      held = held.subarray(end);
      if (op === "load") send({ op: "ready" });
      else send({ op: "done", id }, Buffer.alloc(${bytes}, "x"));
    }
  });`;

const launcherOf = (bytes: number, isKnown = true): PackHostLauncher => ({
  confinement: "process",
  start: async () =>
    startChild([process.execPath, "-e", hostProgram(bytes)], [], async ({ pid }) =>
      isKnown ? (pid ?? null) : null,
    ),
});

function serve(queues: PackQueues): void {
  const hello = {
    ...{ op: "hello" as const, pid: 1, uid: 1, groups: [], confinement: "process" as const },
    rights: buildRights(),
    startedAt: "2026-01-01T00:00:00.000Z",
  };
  const limits = { denyPaths: [], onOverdue: () => undefined };
  const requireGranted = (): void => undefined;
  server = createServer((socket) => serveAgent(socket, { hello, queues, limits, requireGranted }));
  server.listen(join(folder, "s"));
}

async function outcomeOf(launcher: PackHostLauncher) {
  const queues = createPackQueues(
    launcher,
    { maxWaiting: 2, maxWaitMs: 1000, idleMs: 50 },
    () => undefined,
  );
  serve(queues);
  const done = await link.run(ask);
  queues.drop(ask.packDigest);
  return done.ok ? "ok" : done.failure.code;
}

const MAX_RESULT = 4 * 1024 * 1024;

test("a result of the maximal length is accepted", async () => {
  expect(await outcomeOf(launcherOf(MAX_RESULT))).toBe("ok");
});

test("a result above the maximal length fails the call", async () => {
  expect(await outcomeOf(launcherOf(MAX_RESULT + 1))).toBe("PACK_CRASHED");
});

test("a pack host whose memory cannot be monitored does not run", async () => {
  expect(await outcomeOf(launcherOf(2, false))).toBe("PACK_CRASHED");
});

test("a pack host that cannot be started fails the call, and the next call starts another", async () => {
  let starts = 0;
  const working = launcherOf(2);
  const queues = createPackQueues(
    {
      confinement: "process",
      async start() {
        starts += 1;
        if (starts === 1) throw new Error("spawn ENOMEM");
        return await working.start();
      },
    },
    { maxWaiting: 2, maxWaitMs: 1000, idleMs: 50 },
    () => undefined,
  );
  serve(queues);
  expect(await link.run(ask)).toMatchObject({ ok: false, failure: { code: "INTERNAL" } });
  expect(await link.run(ask)).toMatchObject({ ok: true });
  queues.drop(ask.packDigest);
});

test("any error of a question is answered, and the runner survives", async () => {
  serve({
    run: () => Promise.reject(new RangeError("Invalid string length")),
    drop: () => undefined,
    close: () => undefined,
  });
  expect(await link.run(ask)).toMatchObject({ ok: false, failure: { code: "INTERNAL" } });
  expect(link.runners()).toHaveLength(1);
});
