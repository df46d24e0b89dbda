import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type Server, createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

// A service that an attacker took over answers the administrator's commands, and writes the logs.

const data = mkdtempSync("/tmp/sonde-words-");
const socket = join(data, "agent/run/agent.sock");
/** Goes up one line, deletes it, and writes another: what was asked for is never seen. */
const HIDES = "\u001b[1A\u001b[2K\u009b8m\u202e\rIt asks for nothing.";
const digest = `sha256:${"a".repeat(64)}`;
const nothing = { groups: [], commands: [], files: [], sockets: [] };
const explanation = {
  name: "sonde/x",
  version: "1.0.0",
  digest,
  signer: { kind: "none", publisher: "sonde" },
  state: "pending",
  requires: { ...nothing, files: ["/etc/passwd"] },
  endpoints: [],
  windows: [],
  wider: [],
  missing: nothing,
  gone: nothing,
  granted: null,
  hub: { granted: null, mayGrant: [], revoked: false },
  reason: null,
  items: [{ item: "file /etc/passwd", state: "asked" }],
  probes: [{ id: "x.y", description: HIDES, capability: "observe", lacks: [], reads: [] }],
  before: [],
};
let agent: Server;

beforeAll(async () => {
  mkdirSync(join(data, "agent/run"), { recursive: true });
  mkdirSync(join(data, "logs"));
  writeFileSync(join(data, "logs/hub.log"), `{"message":"${HIDES}"}\n\ttwo\u001b\n`);
  agent = createServer((request, response) => {
    const isKnown = request.url === "/packs/sonde/x";
    const refusal = { error: { code: "NOT_FOUND", message: HIDES } };
    response.writeHead(isKnown ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(isKnown ? explanation : refusal));
  });
  await new Promise<void>((done) => agent.listen(socket, done));
});
afterAll(async () => {
  await new Promise((done) => agent.close(done));
  rmSync(data, { recursive: true });
});

type Ended = { code: number | null; out: string; err: string };

/** Runs `sonde` while the agent of this process answers it. */
function run(...words: string[]): Promise<Ended> {
  const flags = ["--conditions=sonde:source", join(import.meta.dirname, "sonde.ts")];
  const child = spawn(process.execPath, [...flags, ...words, "--data", data]);
  const ended: Ended = { code: null, out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (ended.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (ended.err += text));
  return new Promise((done) => child.once("close", (code) => done({ ...ended, code })));
}

/** What a terminal obeys, but for line breaks, or shows in another order. */
const OBEYED = /[^\P{C}\n\t]/u;

test("attack 76: an agent's words are shown as text", async () => {
  const { code, out } = await run("agent", "explain", "x");
  expect(code).toBe(0);
  expect(out).toContain("\\u001b[1A\\u001b[2K\\u009b8m\\u202e\\rIt asks for nothing.");
  expect(out).toContain("file /etc/passwd\n");
  expect(out).not.toMatch(OBEYED);
});

test("attack 76: so are its errors", async () => {
  const { code, err } = await run("agent", "explain", "none");
  expect(code).toBe(1);
  expect(err).toContain("\\u001b[1A");
  expect(err).not.toMatch(OBEYED);
});

test("attack 76: as JSON they stay what they are", async () => {
  const { out } = await run("agent", "explain", "x", "--json");
  const shown = JSON.parse(out) as typeof explanation;
  expect(shown.probes[0]?.description).toBe(HIDES);
});

test("attack 76: log lines are shown as text", async () => {
  const { code, out } = await run("logs", "hub");
  expect(code).toBe(0);
  expect(out).toContain('{"message":"\\u001b[1A');
  expect(out).toContain("\n\ttwo\\u001b\n");
  expect(out).not.toMatch(OBEYED);
});
