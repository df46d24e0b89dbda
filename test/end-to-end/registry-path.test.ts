import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findFreePort } from "@sonde/database/testing";
import type { AgentDetail } from "@sonde/schemas/hub";
import type { PackReport } from "@sonde/schemas/wire";
import {
  createTestSigstore,
  serveSigstore,
  type ServedSigstore,
} from "@sonde/trust/testing/sigstore";
import { afterAll, beforeAll, expect, test } from "vitest";
import { initPack } from "../product/author.ts";
import { connectOlderClient } from "../product/mcp-clients.ts";
import { askProgram } from "../product/run-program.ts";
import { createDataFolder, type Product, startProduct, until } from "../product/start-product.ts";
import { type StartedRegistry, startRegistry } from "../product/start-registry.ts";
import { changeTrust } from "../product/test-packs.ts";

// The life of a pack in a public registry. A CI job publishes it without any stored secret. It is
// found, installed by range, held when it asks for more, and stopped by an advisory.

const JOB = "https://ci.example/globex/uptime/release";
const PACK = "globex/uptime";
const home = createDataFolder();
const at = (...parts: string[]) => join(home, ...parts);
let product: Product;
let services: ServedSigstore;
let registry: StartedRegistry;
let url: string;

beforeAll(async () => {
  product = await startProduct();
  const sigstore = await createTestSigstore();
  services = await serveSigstore(sigstore);
  writeFileSync(at("trusted-root.json"), JSON.stringify(sigstore.trustedRoot), { mode: 0o644 });
  const port = await findFreePort();
  url = `http://127.0.0.1:${port}`;
  registry = await startRegistry(product, home, {
    http: { host: "127.0.0.1", port, behindProxy: false },
    trustedRootFile: at("trusted-root.json"),
    trustedPublishing: {
      audience: url,
      issuers: [{ kind: "generic", issuer: services.issuer, jwksUri: services.jwksUri }],
    },
  });
  const { logKey } = registry;
  // The administrator's choice: another registry, and whom to trust there.
  changeTrust(product, (policy) => ({
    ...policy,
    registry: url,
    logKey,
    trustedRoot: sigstore.trustedRoot,
    publishers: {
      ...policy.publishers,
      globex: { keys: [], identities: [{ issuer: services.issuer, identity: JOB }] },
    },
  }));
});
afterAll(async () => {
  await product?.stop();
  await registry?.stop();
  await services?.close();
  rmSync(home, { recursive: true, force: true });
});

/** What a CI job does on a release: build, sign and publish with its identity. */
async function release(): Promise<{
  version: string;
  warnings: string[];
  permissions: { asksMore: boolean };
}> {
  const env = services.ambient({ sub: JOB });
  const { file } = await askProgram<{ file: string }>("sonde-pack", ["build", at("uptime")]);
  const endpoints = ["--fulcio", services.fulcio, "--rekor", services.rekorV2];
  await askProgram("sonde-pack", ["sign", file, ...endpoints, "--timestamp", services.timestamp], {
    env,
  });
  const publish = ["publish", file, "--registry", url, "--trusted", "--yes"];
  return await askProgram("sonde-pack", publish, { env });
}

async function packs(): Promise<[string, PackReport["state"]][]> {
  const { body } = await product.hub.send("GET", `/agents/${product.agent}`);
  return (body as AgentDetail).packs
    .filter(({ name }) => name === PACK)
    .map(({ version, state }) => [version, state]);
}
const untilPacks = (what: string, expected: [string, string][], timeoutMs?: number) =>
  until(what, async () => JSON.stringify(await packs()) === JSON.stringify(expected), timeoutMs);

const install = async (version: string) =>
  (await product.hub.send("PUT", `/agents/${product.agent}/packs/${PACK}`, { body: { version } }))
    .status;

async function offersTool(): Promise<boolean> {
  const client = await connectOlderClient(product.mcpUrl, product.apiKey);
  try {
    return (await client.listTools()).some(({ name }) => name === "globex__uptime_greet");
  } finally {
    await client.close();
  }
}

test("the operator trusts a job before the pack exists, without handing out a secret", async () => {
  const operator = ["--data", home];
  const identity = ["--issuer", services.issuer, "--identity", JOB];
  const owner = ["--token-file", at("owner.token"), ...operator];
  await askProgram("sonde", ["registry", "publisher", "add", "globex", ...identity, ...owner]);
  const job = JSON.stringify({ kind: "generic", sub: JOB });
  const trust = ["--issuer", services.issuer, "--identity", job, "--pack", PACK];
  const pending = await askProgram<{ boundAt: string | null }>("sonde", [
    ...["registry", "publisher", "trust", "globex", ...trust],
    ...operator,
  ]);
  expect(pending.boundAt).toBeNull();
});

test("the job signs without a key, publishes without a token, and the pack is found", async () => {
  await initPack(PACK, at("uptime"));
  expect(await release()).toMatchObject({ version: "0.1.0" });
  const found = (await (await fetch(`${url}/api/v1/search?q=uptime`)).json()) as {
    packs: { name: string }[];
  };
  expect(found.packs.map(({ name }) => name)).toEqual([PACK]);
});

test("a host installs it by range, and a person approves it", async () => {
  expect(await install("^0.1")).toBe(200);
  await untilPacks("the pack to wait for approval", [["0.1.0", "pending"]]);
  const approved = ["agent", "approve", PACK, "--yes", "--data", product.data];
  await askProgram("sonde", approved);
  await untilPacks("the pack to serve", [["0.1.0", "active"]]);
  await until("its tool", offersTool);
});

test("an upgrade that asks for more is held while the old version stays active", async () => {
  const packFile = at("uptime", "src/pack.ts");
  writeFileSync(packFile, readFileSync(packFile, "utf8").replace("0.1.0", "0.2.0"));
  appendFileSync(
    at("uptime", "src/sources.ts"),
    'export const load = source.file({ path: "/proc/loadavg", maxBytes: 256 });\n',
  );
  const published = await release();
  expect(published).toMatchObject({ version: "0.2.0", permissions: { asksMore: true } });
  expect(await install(">=0.1")).toBe(200);
  await untilPacks("the upgrade to be held", [
    ["0.1.0", "active"],
    ["0.2.0", "held"],
  ]);
});

test("an advisory stops the version on the agent", async () => {
  const words = ["--range", "<0.2.0", "--severity", "critical", "--text", "Install 0.2.0."];
  const right = ["--registry", url, "--token-file", at("owner.token")];
  await askProgram("sonde-pack", ["advisory", PACK, "GLOBEX-1", ...words, ...right]);
  // The hub reads the log every minute.
  await untilPacks(
    "the advisory to count",
    [
      ["0.1.0", "quarantined"],
      ["0.2.0", "held"],
    ],
    90_000,
  );
  await until("its tool to vanish", async () => !(await offersTool()));
  const audit = await askProgram<{ archives: number; problems: unknown[] }>("sonde", [
    ...["registry", "audit", url, "--data", product.data],
  ]);
  expect(audit).toMatchObject({ archives: 2, problems: [] });
});
