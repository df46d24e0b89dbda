import { once } from "node:events";
import { chown, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { AgentDetail } from "@sonde/schemas/hub";
import type { TrustPolicy } from "@sonde/schemas/trust";
import { archiveDigest } from "@sonde/trust/archive";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureAccounts } from "../start/system-users.ts";
import { runPackProgram } from "./program.ts";

// A stand-in for the hub: it accepts every assignment of a version and reports it as active. The
// whole product is in test/end-to-end/dev.test.ts.

let root: string;
let folder: string;
let server: Server;
const assigned: string[] = [];
const archive = (): string => path.join(folder, "dist", "hello-0.1.0.tgz");

async function describeAgent(): Promise<AgentDetail> {
  const version = { name: "acme/hello", version: "0.1.0" };
  const digest = assigned.length === 0 ? null : archiveDigest(await readFile(archive()));
  const report = { state: "active", signer: null, probes: [], approved: null, reason: null };
  return {
    ...{ id: "8f14e45f-ceea-467f-a830-0fd2b1a2c3d4", name: "web-1", online: true },
    ...{ enrolledAt: "2026-01-01T00:00:00.000Z", lastSeenAt: null, os: null, wall: null },
    ...{
      tags: [],
      certificateExpiresAt: null,
      clockSkewMs: null,
      refusedHubAt: null,
      agentVersion: null,
    },
    holds: [],
    attestation: { state: "not-attested", expected: 0, review: 0 },
    desired: [],
    packs: digest === null ? [] : [{ ...version, ...report, digest }],
  };
}

beforeAll(async () => {
  root = await realpath(await mkdtemp(path.join(tmpdir(), "sonde-dev-")));
  folder = path.join(root, "hello");
  server = createServer((request, response) => {
    void describeAgent().then((agent) => {
      if (request.method === "PUT") assigned.push(request.url ?? "");
      if (request.url === "/api/v1/agents") response.end(JSON.stringify({ agents: [agent] }));
      else if (request.url === "/api/v1/tool-pins") response.end('{"pins":[],"held":[]}');
      else response.end(JSON.stringify(agent));
    });
  });
  // The program sends a key only to a socket of the hub's user, who owns its files too.
  const { uid } = ensureAccounts().hub;
  process.seteuid?.(uid);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  process.seteuid?.(process.getuid?.() ?? 0);
  const hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await runDev(["init", "acme/hello", folder]);
  await mkdir(path.join(folder, "dist"));
  const policy: TrustPolicy = {
    registry: "https://registry.example",
    logKey: "registry.example/log+a6f6a6a2+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    publishers: {},
    allowUnsignedPacks: true,
    localPacks: path.join(folder, "dist"),
  };
  const files = {
    "config/trust.json": JSON.stringify(policy),
    "config/endpoints.json": JSON.stringify({
      ...{ hubUrl, mcpUrl: `${hubUrl}/mcp`, registryUrl: hubUrl, agent: "web-1" },
    }),
    "hub/operator-key": "sonde_k",
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, "data", name)), { recursive: true });
    await writeFile(path.join(root, "data", name), text, { mode: 0o600 });
  }
  for (const name of ["hub", "hub/operator-key"]) {
    await chown(path.join(root, "data", name), uid, process.getgid?.() ?? 0);
  }
});
afterAll(async () => {
  server.close();
  await rm(root, { recursive: true });
});

type Round = { changed: string[]; reloaded: object | null; error: { message: string } | null };

/** Runs the program; after each round it makes the next of these changes, and ends after the last. */
async function runDev(
  args: string[],
  changes: (() => Promise<void>)[] = [],
): Promise<{ code: number; rounds: Round[]; err: string[] }> {
  const ending = new AbortController();
  const rounds: Round[] = [];
  const err: string[] = [];
  const code = await runPackProgram(args, {
    out(text) {
      if (!text.startsWith('{"changed"')) return;
      rounds.push(JSON.parse(text) as Round);
      const next = changes[rounds.length - 1];
      if (next === undefined) ending.abort();
      else void next();
    },
    err: (text) => err.push(text),
    env: new Map(),
    untilStopped: () => ending.signal,
  });
  return { code, rounds, err };
}

test("a save whose fixtures fail is not reloaded; what the build writes is no save", async () => {
  const greet = path.join(folder, "src", "greet.ts");
  const before = await readFile(greet, "utf8");
  const dev = ["dev", folder, "--data", path.join(root, "data"), "--json"];
  const { code, rounds, err } = await runDev(dev, [
    () => writeFile(greet, before.replace("Hello $", "Goodbye $")),
    () => writeFile(greet, before.replace("run(", "run((")),
    async () => {
      await rm(greet);
      await writeFile(greet, before);
      await writeFile(path.join(folder, "dist", "notes.txt"), "not a source");
    },
  ]);
  expect({ code, err }).toEqual({ code: 0, err: [] });
  expect(rounds.map(({ changed, reloaded }) => [changed, reloaded !== null])).toEqual([
    [[], true],
    [["src/greet.ts"], false],
    [["src/greet.ts"], false],
    [["src/greet.ts"], true],
  ]);
  expect(rounds[2]?.error?.message).toMatch(/^src\/greet\.ts:\d+: /);
  expect(assigned).toEqual([
    "/api/v1/agents/web-1/packs/acme/hello",
    "/api/v1/agents/web-1/packs/acme/hello",
  ]);
});
