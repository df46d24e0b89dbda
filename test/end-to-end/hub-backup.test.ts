import { spawn } from "node:child_process";
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentStatus } from "@sonde/schemas/agent";
import type { SigningKeyList } from "@sonde/schemas/hub";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readVerifiedAudit } from "../product/audit.ts";
import { connectCurrentClient } from "../product/mcp-clients.ts";
import { askProgram, refusalOf } from "../product/run-program.ts";
import { runStart } from "../product/run-start.ts";
import {
  createDataFolder,
  type Product,
  startProduct,
  until,
  workspace,
} from "../product/start-product.ts";

// Attack 67, and a hub that is lost and comes back from a backup, as a person does it.

const data = createDataFolder();
const files = createDataFolder();
const backup = join(files, "hub.age");
const passphrase = ["--passphrase-file", join(files, "passphrase")];
const words = (...more: string[]) => [...more, ...passphrase, "--data", data];
const hubFolder = join(data, "hub");
let product: Product;

beforeAll(async () => {
  writeFileSync(join(files, "passphrase"), "correct horse battery staple\n");
  product = await startProduct({ data });
});
afterAll(async () => {
  await product?.stop();
  for (const path of [data, files]) rmSync(path, { recursive: true, force: true });
});

async function answers(): Promise<boolean> {
  const client = await connectCurrentClient(product.mcpUrl, product.apiKey);
  const { isError } = await client.call("system_overview", { agent: product.agent });
  await client.close();
  return !isError;
}

/** All keys by which the hub proves itself, as they are listed. */
const signingKeys = async () =>
  (await askProgram<SigningKeyList>("sonde", ["hub", "signing-keys", "--data", data])).keys;
let keysBefore: SigningKeyList["keys"];

test("a hub is written to a new file while it serves", async () => {
  expect(await answers()).toBe(true);
  await askProgram("sonde", ["hub", "signing-keys", "rotate", "audit", "--data", data]);
  keysBefore = await signingKeys();
  expect(await askProgram("sonde", words("hub", "backup", backup))).toMatchObject({
    files: expect.any(Number),
  });
  expect(await refusalOf("sonde", words("hub", "backup", backup))).toBe("BAD_REQUEST");
  expect(readdirSync(files).sort()).toEqual(["hub.age", "passphrase"]);
  // Later than the backup: the restored hub does not know of it, and the agent saw it.
  expect(await answers()).toBe(true);
});

test("a restore never replaces a hub, and a hub that runs is left alone", async () => {
  expect(await refusalOf("sonde", words("hub", "restore", backup))).toBe("ALREADY_RUNNING");
  await product.stop();
  expect(await refusalOf("sonde", words("hub", "restore", backup))).toBe("BAD_REQUEST");
  expect(existsSync(join(hubFolder, "hub-name"))).toBe(true);
});

test("a restore that is killed leaves no hub, and can be repeated", async () => {
  renameSync(hubFolder, join(data, "lost"));
  const launcher = join(workspace, "scripts/launch.mjs");
  const child = spawn(process.execPath, [launcher, "sonde", ...words("hub", "restore", backup)], {
    cwd: workspace,
    detached: true,
    stdio: "ignore",
  });
  await until("the restore to be under way", () =>
    Promise.resolve(existsSync(`${hubFolder}.restoring/postgres/PG_VERSION`)),
  );
  process.kill(-(child.pid ?? 0), "SIGKILL");
  expect(existsSync(hubFolder) ? readdirSync(hubFolder) : []).toEqual([]);
  await until("what was killed to be gone", () =>
    refusalOf("sonde", words("hub", "restore", join(files, "passphrase"))).then(
      (code) => code === "BACKUP_INVALID",
      () => false,
    ),
  );
  expect(readdirSync(data)).not.toContain("hub.restoring");
});

test("the agent accepts the restored hub, and the log has the restore", async () => {
  await askProgram("sonde", words("hub", "restore", backup));
  product = await startProduct({ data });
  expect(await answers()).toBe(true);
  expect(await signingKeys()).toEqual(keysBefore);
  expect(keysBefore.filter(({ use }) => use === "audit")).toHaveLength(2);
  const entries = await readVerifiedAudit(product);
  expect(entries.map(({ record }) => record.event)).toContain("hub.restored");
});

test("the hub from before is fenced: the agent refuses it, and the start says why", async () => {
  await product.stop();
  renameSync(hubFolder, join(data, "restored"));
  renameSync(join(data, "lost"), hubFolder);
  const start = runStart(["--yes", "--data", data, "--port", "0"], {});
  try {
    await until("the start to be ready", () => /^Ready\./m.test(start.out()), 120_000);
    expect(start.out()).toContain(
      `${product.agent} refuses this hub, so it cannot be asked. HUB_ROLLED_BACK`,
    );
    const status = () => askProgram<AgentStatus>("sonde", ["agent", "status", "--data", data]);
    expect((await status()).hub.problem?.code).toBe("HUB_ROLLED_BACK");
    const [, accept] = /^To accept the hub as it is: \S*sonde (.+)$/m.exec(start.out()) ?? [];
    expect(accept).toBe(`agent accept-hub --data ${data}`);
    await askProgram("sonde", ["agent", "accept-hub", "--yes", "--data", data]);
    await until("the agent to connect", async () => (await status()).connected);
  } finally {
    await start.terminate();
  }
}, 240_000);
