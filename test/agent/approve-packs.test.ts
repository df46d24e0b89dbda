import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PackExplanation } from "@sonde/schemas/agent";
import type { PackReport } from "@sonde/schemas/wire";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LocalApi, openLocalApi } from "../../agent/daemon/src/edge/local-api.ts";
import { createAgentClient } from "../../cli/src/agent-client.ts";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { approvePacks } from "../../cli/src/start/approve-packs.ts";
import { createProgress } from "../../cli/src/start/progress.ts";

// What `npm start -- --yes` grants, over the agent's real socket.
const layout = layoutOf(mkdtempSync(join(tmpdir(), "sonde-approve-")));
const engine = join(layout.root, "engine.sock");
let api: LocalApi;
/** What an administrator would do first. */
let before: string[];

beforeEach(async () => {
  const nothing = { groups: [], commands: [], files: [], sockets: [] };
  const told = {
    ...{ name: "acme/engine", version: "1.0.0", digest: `sha256:${"a".repeat(64)}` as const },
    ...{ signer: { kind: "none", publisher: "acme" } as const, reason: null },
  };
  const report: PackReport = { ...told, state: "pending", probes: [], approved: null };
  const requires = { ...nothing, sockets: [`${engine} GET /info`] };
  const shown: PackExplanation = {
    ...{ ...told, state: "pending", requires, granted: null, missing: requires, gone: nothing },
    ...{
      items: [],
      windows: [],
      endpoints: [],
      wider: [],
      probes: [],
      before: [],
      hub: { granted: null, mayGrant: [], revoked: false },
    },
  };
  before = [];
  api = await openLocalApi(layout.agentSocket, {
    status: () => {
      throw new Error("nobody asks");
    },
    acceptHub: () => {
      throw new Error("nobody asks");
    },
    packs: () => ({ packs: [report] }),
    explain: () => ({ ...shown, before }),
    reload: () => ({ packs: [{ ...report, state: "active" }] }),
  });
});
afterEach(async () => {
  await api.close();
  rmSync(layout.root, { recursive: true, force: true });
});

/** @returns what was said, and whether there is a grant */
async function approve(): Promise<{ said: string; granted: boolean }> {
  let said = "";
  const progress = createProgress((text) => (said += text));
  await approvePacks(layout, createAgentClient(layout.agentSocket), {
    ...{ yes: true, json: true, env: {}, progress },
  });
  return { said, granted: existsSync(join(layout.grants, "acme--engine.json")) };
}

test("--yes grants a pack whose engine the host has, and none whose engine or runner it lacks", async () => {
  const absent = await approve();
  expect(absent.granted).toBe(false);
  expect(absent.said).toContain(`acme/engine stays pending, because this host has no ${engine}.`);
  const server = createServer().listen(engine);
  before = ["sudo npm start -- --runner-groups adm"];
  const unserved = await approve();
  expect(unserved.granted).toBe(false);
  expect(unserved.said).toContain(`no runner in the groups that it needs (): ${before[0]}.`);
  before = [];
  expect((await approve()).granted).toBe(true);
  await new Promise((closed) => server.close(closed));
});
