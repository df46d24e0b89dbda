import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestBench, createTestBench } from "./start-runner.ts";

// Attack class 49: a hostile script in place of the guest, under the product's own launcher.
let bench: TestBench;
const unixServer = createServer((socket) => socket.end());
const tcpServer = createServer((socket) => socket.end());
let params: Record<string, unknown>;

beforeAll(async () => {
  bench = await createTestBench();
  const at = (name: string) => join(bench.workshop.folder, name);
  mkdirSync(at("escaped"));
  copyFileSync(join(import.meta.dirname, "escaped.mjs"), at("escaped/escaped.mjs"));
  writeFileSync(at("key"), "the agent's key", { mode: 0o600 });
  writeFileSync(at("readable"), "anybody may read this outside", { mode: 0o644 });
  mkdirSync(at("open"));
  chmodSync(at("open"), 0o777);
  await new Promise<void>((resolve) => unixServer.listen(at("socket"), resolve));
  chmodSync(at("socket"), 0o666);
  await new Promise<void>((resolve) => tcpServer.listen(0, "127.0.0.1", resolve));
  params = {
    key: at("key"),
    readable: at("readable"),
    writable: at("open/written"),
    socket: at("socket"),
    port: (tcpServer.address() as AddressInfo).port,
    agentPid: process.pid,
  };
});
afterAll(async () => {
  unixServer.close();
  tcpServer.close();
  await bench.close();
});

// Targets that an escaped script may reach where bubblewrap does not work. SECURITY.md states this.
const WITHOUT_BUBBLEWRAP = [
  "readable",
  "passwd",
  "runnerEnviron",
  "processes",
  "shell",
  "writeTmp",
  "writeFolder",
  "killRunner",
  "unixSocket",
  "network",
];

const ALLOW_ALL = ["--allow-fs-read=*", "--allow-fs-write=*", "--allow-child-process"];

test.each([
  ["both walls", []],
  ["bubblewrap alone, with Node's permission model wide open", ALLOW_ALL],
])("an escaped script finds nothing behind %s", async (_, nodeArgs) => {
  const packHostPath = join(bench.workshop.folder, "escaped/escaped.mjs");
  const runner = bench.startRunner({ packHostPath, nodeArgs });
  const pack = bench.buildPack({ any: "" });
  // The script needs the runner's pid, which the runner's first frame states.
  await expect.poll(() => bench.link.runners()).toHaveLength(1);
  const [hello] = bench.link.runners();
  const done = await bench.link.run(pack("any", { ...params, runnerPid: hello?.pid }));
  const reached = done.ok ? (JSON.parse(String(done.result)) as string[]) : [JSON.stringify(done)];
  const allowed = hello?.confinement === "bubblewrap" ? [] : WITHOUT_BUBBLEWRAP;
  expect(reached.filter((name) => !allowed.includes(name))).toEqual([]);
  runner.stdin?.end();
  await expect.poll(() => bench.link.runners()).toEqual([]);
});

test("a pack host that lies or is silent fails its call and is killed", async () => {
  const packHostPath = join(bench.workshop.folder, "escaped/escaped.mjs");
  const runner = bench.startRunner({ packHostPath });
  const pack = bench.buildPack({ any: "" });
  const failureOf = async (lie: unknown) => {
    const done = await bench.link.run(pack("any", { lie }));
    return done.ok ? "ok" : done.failure.code;
  };
  const fails = (failure: unknown, body?: string) => failureOf({ head: { failure }, body });
  const failed = { code: "PACK_FAILED", message: "no" };
  expect(await failureOf({ body: "{}" })).toBe("ok");
  expect(await fails(failed)).toBe("PACK_FAILED");
  expect(await fails(failed, "{}")).toBe("PACK_CRASHED");
  expect(await failureOf({ body: "" })).toBe("PACK_CRASHED");
  expect(await fails({ code: "PERMISSION_NEEDED", message: "run this as root" })).toBe(
    "PACK_CRASHED",
  );
  expect(await fails({ code: "toString", message: "" })).toBe("PACK_CRASHED");
  expect(await fails({ code: "PACK_FAILED" })).toBe("PACK_CRASHED");
  expect(await fails(null)).toBe("PACK_CRASHED");
  expect(await failureOf({ head: { op: "other" }, body: "{}" })).toBe("PACK_CRASHED");
  expect(await failureOf({ head: { id: "1" }, body: "{}" })).toBe("PACK_CRASHED");
  expect(await failureOf({ head: { more: "x".repeat(16 * 1024) }, body: "{}" })).toBe(
    "PACK_CRASHED",
  );
  expect(await failureOf("silence")).toBe("PACK_TIMEOUT");
  expect(await failureOf({ body: "{}" })).toBe("ok");
  runner.stdin?.end();
  await expect.poll(() => bench.link.runners()).toEqual([]);
});

test("bubblewrap works here, so the tests above had both walls", async () => {
  const runner = bench.startRunner();
  await expect.poll(() => bench.link.runners()).toMatchObject([{ confinement: "bubblewrap" }]);
  runner.stdin?.end();
});
