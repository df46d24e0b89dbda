import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FilledRead } from "@sonde/schemas/reads";
import { FrameReader, encodeStreamFrame } from "@sonde/schemas/wire";
import { buildRights } from "@sonde/schemas/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type RunnerLink, createRunnerLink } from "./runner-link.ts";

// Runners that a socket starts. Each test is the far end of the sockets.
const REST_MS = 200;

let folder: string;
let link: RunnerLink;
let servers: Server[];
let log: string[];
/** The socket of each runner that was asked something. */
let asked: string[];

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), "rest-")), "runners");
  mkdirSync(folder);
  servers = [];
  asked = [];
});
afterEach(() => {
  link.close();
  for (const server of servers) server.close();
  rmSync(join(folder, ".."), { recursive: true });
});

const read: FilledRead = {
  name: "it",
  source: { kind: "file", path: "/proc/uptime", timeoutMs: 100, maxBytes: 100 },
  values: {},
};

/** Listens as a socket unit does. Each connection starts a runner in `groups`, with the next pid. */
function listen(name: string, groups: string[], answerMs = 0): { server: Server; ended: number[] } {
  let pid = 0;
  const ended: number[] = [];
  const server = createServer((socket: Socket) => {
    const own = ++pid;
    const reader = new FrameReader(({ head }) => {
      const { id } = head as { id: number };
      asked.push(name);
      const data = { samples: [{ at: 1, truncated: false, data: { text: String(own) } }] };
      const body = Buffer.from(JSON.stringify({ it: { ok: true, ...data } }));
      setTimeout(() => {
        if (socket.writable) socket.write(encodeStreamFrame({ id, op: "read", traces: [] }, body));
      }, answerMs);
    });
    socket.on("data", (chunk: Buffer) => reader.push(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => ended.push(own));
    const startedAt = "2026-01-01T00:00:00.000Z";
    const rights = buildRights();
    const rest = { op: "hello", uid: 7, confinement: "process", rights, startedAt };
    socket.write(encodeStreamFrame({ ...rest, pid: own, groups }));
  }).listen(join(folder, name));
  servers.push(server);
  return { server, ended };
}

function open(): void {
  const lines: string[] = [];
  log = lines;
  link = createRunnerLink({
    ...{ runners: [], sharedGroups: [], onDemand: { folder, restAfterMs: REST_MS } },
    log: (event, detail) => lines.push(`${event} ${detail}`),
  });
}

const ask = async (groups: string[]) => (await link.read([read], 3000, groups, false)).reads["it"];
const answeredBy = (pid: number) => ({ ok: true, samples: [{ data: { text: String(pid) } }] });

test("a runner that is asked nothing is left, still counts, and a question starts it again", async () => {
  const { ended } = listen("adm:docker.sock", ["adm", "docker"]);
  open();
  const groups = ["docker", "adm"];
  expect(await ask(groups)).toMatchObject(answeredBy(1));
  await expect.poll(() => ended).toEqual([1]);
  // It stays away: nothing but a question starts it.
  await new Promise((done) => setTimeout(done, 2 * REST_MS));
  expect(link.serves(groups)).toBe(true);
  expect(link.runners()).toMatchObject([{ pid: 1, groups: ["adm", "docker"] }]);
  const both = await Promise.all([ask(groups), ask(groups)]);
  expect(both).toMatchObject([answeredBy(2), answeredBy(2)]);
});

test("the listener hears of each runner that comes or goes, and not of one that rests", async () => {
  open();
  const seen: number[][] = [];
  link.onChange(() => seen.push(link.runners().map(({ pid }) => pid)));
  const { ended } = listen("no-groups.sock", []);
  await expect.poll(() => seen.at(-1)).toEqual([1]);
  await expect.poll(() => ended).toEqual([1]);
  expect(seen.at(-1)).toEqual([1]);
  rmSync(join(folder, "no-groups.sock"));
  await expect.poll(() => seen.at(-1)).toEqual([]);
});

test("a runner that still works is not left", async () => {
  const { ended } = listen("no-groups.sock", [], 3 * REST_MS);
  open();
  expect(await ask([])).toMatchObject(answeredBy(1));
  expect(ended).toEqual([]);
  await expect.poll(() => ended).toEqual([1]);
});

test("a runner that does not start again serves nobody until it does", async () => {
  const { ended } = listen("no-groups.sock", []);
  open();
  await expect.poll(() => ended).toEqual([1]);
  // The path is never gone, so that only the attempt to connect fails.
  const path = join(folder, "no-groups.sock");
  writeFileSync(`${path}.new`, "");
  renameSync(`${path}.new`, path);
  await expect(link.read([read], 100, [], true)).rejects.toMatchObject({
    code: "RUNNER_UNAVAILABLE",
  });
  expect(link.serves([])).toBe(false);
  rmSync(path);
  listen("no-groups.sock", []);
  await expect.poll(() => link.serves([]), { timeout: 5000 }).toBe(true);
});

test("a runner that comes back with another group is refused", async () => {
  const { server, ended } = listen("docker.sock", ["docker"]);
  open();
  await expect.poll(() => ended).toEqual([1]);
  server.close();
  await once(server, "close");
  listen("docker.sock", ["docker", "adm"]);
  await expect(link.read([read], 100, ["docker"], true)).rejects.toMatchObject({
    code: "RUNNER_UNAVAILABLE",
  });
  expect(link.serves(["docker"])).toBe(false);
  expect(log.join("\n")).toContain("in docker, it is in docker, adm");
});

test("sockets that come and go are noticed; a name that is no list of groups is left", async () => {
  open();
  listen("docker.sock", ["docker"]);
  listen("Docker socket", ["docker"]);
  await expect.poll(() => link.runners()).toHaveLength(1);
  rmSync(join(folder, "docker.sock"));
  await expect.poll(() => link.runners()).toEqual([]);
});

// Attack 78.
test("a runner that reaches other hosts performs only the reads that leave the host", async () => {
  listen("no-groups.sock", []);
  open();
  const asking: FilledRead = {
    name: "it",
    source: { kind: "tls", endpoint: "shop.example:443", timeoutMs: 100, maxBytes: 100 },
    values: {},
  };
  const runnersOf = async (...reads: FilledRead[]) => {
    const before = [...asked];
    await link.read(reads, 3000, [], false).catch(() => undefined);
    return asked.slice(before.length);
  };
  // Without systemd there is one runner, and nothing keeps it on its host.
  expect(await runnersOf(asking)).toEqual(["no-groups.sock"]);
  listen("no-groups.network.sock", []);
  await expect.poll(() => link.runners()).toHaveLength(2);
  expect(await runnersOf(asking)).toEqual(["no-groups.network.sock"]);
  expect(await runnersOf(read)).toEqual(["no-groups.sock"]);
  rmSync(join(folder, "no-groups.sock"));
  await expect.poll(() => link.serves([])).toBe(false);
});

test("a folder that goes away serves nobody, and is noticed when it is back", async () => {
  listen("docker.sock", ["docker"]);
  open();
  await expect.poll(() => link.runners()).toHaveLength(1);
  rmSync(folder, { recursive: true });
  await expect.poll(() => link.runners()).toEqual([]);
  await expect.poll(() => log.join("\n")).toContain("runners-unreadable");
  mkdirSync(folder);
  listen("docker.sock", ["docker"]);
  await expect.poll(() => link.runners(), { timeout: 5000 }).toHaveLength(1);
  // Another folder in its place.
  renameSync(folder, `${folder}.old`);
  mkdirSync(folder);
  await expect.poll(() => link.runners(), { timeout: 5000 }).toEqual([]);
  listen("adm.sock", ["adm"]);
  await expect.poll(() => link.runners(), { timeout: 5000 }).toMatchObject([{ groups: ["adm"] }]);
});

test("a folder that is not there is refused", () => {
  open();
  const onDemand = { folder: join(folder, "none"), restAfterMs: REST_MS };
  expect(() =>
    createRunnerLink({ runners: [], sharedGroups: [], onDemand, log: () => undefined }),
  ).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});
