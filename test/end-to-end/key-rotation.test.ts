import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentStatus } from "@sonde/schemas/agent";
import type { AuditAttestation } from "@sonde/schemas/audit";
import type { SigningKeyList } from "@sonde/schemas/hub";
import type { DsseEnvelope } from "@sonde/schemas/wire";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readVerifiedAgentAudit, readVerifiedAudit } from "../product/audit.ts";
import { connectCurrentClient, type McpClient } from "../product/mcp-clients.ts";
import { findPid } from "../product/processes.ts";
import { askProgram, refusalOf, runProgram } from "../product/run-program.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";

// Attack 5: a command key that was stolen ends without anybody enrolling again.

let product: Product;
let client: McpClient;

beforeAll(async () => {
  product = await startProduct({ hubs: 1 });
  client = await connectCurrentClient(product.mcpUrl, product.apiKey);
});
afterAll(async () => {
  await client?.close();
  await product?.stop();
});

const data = () => ["--data", product.data];
const signingKeys = (...words: string[]) =>
  askProgram<SigningKeyList>("sonde", ["hub", "signing-keys", ...words, ...data()]);
const commandKeys = ({ keys }: SigningKeyList) =>
  keys.filter(({ use }) => use === "command").map(({ keyId }) => keyId);
const status = () => askProgram<AgentStatus>("sonde", ["agent", "status", ...data()]);
const call = async () => !(await client.call("system_overview", { agent: product.agent })).isError;
const changesOnHost = () =>
  readVerifiedAgentAudit(product).filter(({ record }) => record.event === "command-key.changed");

test("the hub's keys are different keys, listed for a person", async () => {
  const { keys } = await signingKeys();
  expect(keys.map(({ use }) => use)).toEqual(["ca", "tls", "command", "audit"]);
  expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(4);
  const { out } = await runProgram("sonde", ["hub", "signing-keys", ...data()]);
  for (const { keyId, algorithm } of keys) {
    expect(out).toContain(keyId);
    expect(out).toContain(algorithm);
  }
});

test("connected agents take over a new command key, and no call is lost", async () => {
  const before = await status();
  let goesOn = true;
  const answers: boolean[] = [];
  const ask = async () => {
    while (goesOn) answers.push(await call());
  };
  const asking = [ask(), ask(), ask(), ask()];
  const first = commandKeys(await signingKeys());
  const second = commandKeys(await signingKeys("rotate", "command"));
  expect(second).toEqual([expect.anything(), ...first]);
  const third = commandKeys(await signingKeys("rotate", "command", "--overlap", "0"));
  expect(third).toHaveLength(1);
  await until("the agent's record", () => Promise.resolve(changesOnHost().length === 2));
  const seen = answers.length;
  await until("more answers", () => Promise.resolve(answers.length > seen + 20));
  goesOn = false;
  await Promise.all(asking);
  expect(answers).not.toContain(false);
  // In the same session.
  expect((await status()).connectedSince).toBe(before.connectedSince);
  const recorded = (await readVerifiedAudit(product)).flatMap(({ record }) =>
    record.event === "command-key.changed" ? [record.detail["to"]] : [],
  );
  expect(recorded).toEqual([second[0], third[0]]);
  expect(changesOnHost().map(({ record }) => record.detail["to"])).toEqual(recorded);
});

test("an agent that was away during a rotation takes over the key when it is back", async () => {
  const pid = findPid(product, "agent") ?? 0;
  process.kill(pid, "SIGSTOP");
  const [key] = commandKeys(await signingKeys("rotate", "command", "--overlap", "0"));
  process.kill(pid, "SIGKILL");
  await until("an answer of the agent's next process", () => call().catch(() => false));
  expect(changesOnHost().at(-1)?.record.detail["to"]).toBe(key);
});

test("agents take the heads of the hub's log from a new audit key, also when they come back", async () => {
  const auditKeys = ({ keys }: SigningKeyList) =>
    keys.filter(({ use }) => use === "audit").map(({ keyId }) => keyId);
  const first = auditKeys(await signingKeys());
  const command = commandKeys(await signingKeys());
  const second = await signingKeys("rotate", "audit");
  expect(auditKeys(second)).toEqual([expect.anything(), ...first]);
  expect(commandKeys(second)).toEqual(command);
  const third = auditKeys(await signingKeys("rotate", "audit", "--overlap", "0"));
  expect(third).toHaveLength(1);
  const recorded = (await readVerifiedAudit(product)).flatMap(({ record }) =>
    record.event === "audit-key.changed" ? [record.detail["to"]] : [],
  );
  expect(recorded).toEqual([auditKeys(second)[0], third[0]]);
  expect(await call()).toBe(true);
  const seen = (await status()).hub.auditHead?.size ?? 0;
  process.kill(findPid(product, "agent") ?? 0, "SIGKILL");
  await until("an answer of the agent's next process", () => call().catch(() => false));
  expect((await status()).hub.auditHead?.size).toBeGreaterThan(seen);
  const kept = JSON.parse(
    readFileSync(join(product.data, "agent/identity/hub-view.json"), "utf8"),
  ) as { signedHead: DsseEnvelope };
  expect(kept.signedHead.signatures[0]?.keyid).toBe(third[0]);
  // The agent keeps each new checkpoint too, and says so.
  const { body } = await product.hub.send("POST", "/audit/checkpoints");
  const size = (body as AuditAttestation).checkpoint?.size ?? 0;
  await until("the agent's word on the checkpoint", async () => {
    const { body: told } = await product.hub.send("GET", "/audit/attestation");
    return ((told as AuditAttestation).witnesses[0]?.size ?? 0) >= size;
  });
});

test("only command and audit key can be rotated, with an overlap that is a number of days", async () => {
  const rotate = (...words: string[]) =>
    refusalOf("sonde", ["hub", "signing-keys", "rotate", ...words, ...data()]);
  expect(await rotate("ca")).toBe("BAD_REQUEST");
  expect(await rotate("command", "--overlap", "31")).toBe("BAD_REQUEST");
  expect(await rotate("command", "--overlap", "-1")).toBe("BAD_REQUEST");
});
