import { readdirSync } from "node:fs";
import type { ApprovalOutcome, ApprovalRequest, Inbox } from "@sonde/schemas/approvals";
import type { BuiltPack } from "@sonde/pack-sdk/build";
import { afterAll, beforeAll, expect, test } from "vitest";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { readVerifiedAudit } from "../product/audit.ts";
import { connectOlderClient, type McpClient } from "../product/mcp-clients.ts";
import { askProgram, refusalOf, runProgram } from "../product/run-program.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";
import {
  addPublisher,
  assignPack,
  publishPack,
  type TestPack,
  type TestPublisher,
  trustPublisher,
  untilState,
} from "../product/test-packs.ts";

// A person at the hub, with the hub, the agent and the runner of `npm start`.

const PACK = "acme/look";
const [LOAD, UPTIME, STAT, NAME] = [
  "file /proc/loadavg",
  "command uptime -p",
  "file /proc/stat",
  "file /etc/hostname",
];
let product: Product;
let acme: TestPublisher;
let client: McpClient;

const sources = `
export const load = source.file({ path: "/proc/loadavg" });
export const up = source.exec({ command: "uptime", argv: ["-p"] });
export const name = source.file({ path: "/etc/hostname" });
export const stat = source.file({ path: "/proc/stat" });
`;
const look = (name: string) => `
  ${name}: probe({
    description: "Says what it reads of ${name}.",
    result: t.object({ bytes: t.integer() }),
    reads: { it: sources.${name} },
    run: ({ reads }) => ({ bytes: JSON.stringify(reads.it).length }),
  }),`;
const packOf = (version: string, ...names: string[]): TestPack => ({
  ...{ name: PACK, version, probes: names.map(look).join("") },
  sources: sources
    .split("\n")
    .filter((line) => names.some((name) => line.includes(`const ${name} `)))
    .join("\n"),
});

beforeAll(async () => {
  product = await startProduct({ hubs: 1 });
  acme = await addPublisher(product, "acme");
  trustPublisher(product, acme);
  client = await connectOlderClient(product.mcpUrl, product.apiKey);
});
afterAll(async () => {
  await client?.close();
  await product?.stop();
});

const words = (text: string) => [...text.split(" "), "--data", product.data];
const ask = <T>(text: string) => askProgram<T>("sonde", words(text));
const onHost = async (text: string) => await runProgram("sonde", words(`agent ${text}`));

async function assign(pack: TestPack, state: "pending" | "held"): Promise<BuiltPack> {
  const built = await publishPack(product, acme, pack);
  expect((await assignPack(product, pack.name, pack.version)).status).toBe(200);
  await untilState(product, pack.name, built.digest, state);
  return built;
}

/** The code of the tool's answer, or `ok`. */
async function call(probe: string): Promise<string> {
  try {
    const { results } = await client.call(`acme__look_${probe}`, { agent: product.agent });
    return results[0]?.failure?.code ?? results[0]?.status ?? "no tool";
  } catch (thrown) {
    // A hub that was killed, or a tool that is gone.
    return String(thrown);
  }
}

const approval = async (): Promise<ApprovalRequest> => {
  const { body } = await product.hub.send("GET", `/agents/${product.agent}/packs/${PACK}/approval`);
  return body as unknown as ApprovalRequest;
};
const waiting = async () =>
  (await ask<Inbox>("hub inbox")).entries.flatMap((entry) =>
    entry.kind === "approval" ? [`${entry.request.pack} ${entry.request.version}`] : [],
  );

test("a pack that waits is in the inbox, and one command at the hub grants what the host lets it", async () => {
  const { digest } = await assign(packOf("1.0.0", "load", "up", "name"), "pending");
  expect(await waiting()).toContain(`${PACK} 1.0.0`);
  const shown = await runProgram("sonde", words(`hub approve ${product.agent} ${PACK}`));
  expect(shown.code).toBe(1);
  expect(shown.out).toContain(`${LOAD}  (the hub may grant it)`);
  expect(shown.out).toContain(`${NAME}  (only the host may grant it)`);
  expect(shown.err).toContain(`sonde hub approve ${product.agent} ${PACK} --yes`);
  expect((await approval()).approval).toBeNull();

  const outcome = await ask<ApprovalOutcome>(`hub approve ${product.agent} ${PACK} --yes`);
  expect(outcome.items.toSorted((a, b) => (a.item < b.item ? -1 : 1))).toEqual([
    { item: UPTIME, outcome: "granted", why: null },
    { item: NAME, outcome: "held", why: "the host does not let the hub grant it" },
    { item: LOAD, outcome: "granted", why: null },
  ]);
  expect(outcome.request.hostCommand).toBe(`sonde-agent approve ${PACK}`);
  await untilState(product, PACK, digest, "active");
  await until("the tool", async () => (await call("load")) === "ok");
  expect([await call("up"), await call("name")]).toEqual(["ok", "READ_NOT_GRANTED"]);
  // No file of root's says so: the hub's part is the agent's own, and shown apart on the host.
  expect(readdirSync(layoutOf(product.data).grants)).not.toContain("acme--look.json");
  expect((await onHost(`explain ${PACK}`)).out).toMatch(/granted by operator at the hub \(key:/);
});

test("killed in between, the agent and the hub come back with what was granted", async () => {
  for (const role of ["agent", "hub"]) {
    const before = product.pids[role] ?? 0;
    process.kill(before, "SIGKILL");
    await until(`${role} to serve again`, async () => (await call("load")) === "ok", 60_000);
  }
  expect((await approval()).approval?.takenAt).not.toBeNull();
});

// Attack 45.
test("an upgrade that asks for no more serves, and one that does is held with the difference", async () => {
  const { digest } = await publishPack(product, acme, packOf("1.0.1", "load", "up", "name"));
  await assignPack(product, PACK, "1.0.1");
  await untilState(product, PACK, digest, "active");
  // What only the host may grant still waits for a person.
  expect(await waiting()).toContain(`${PACK} 1.0.1`);

  const next = await assign(packOf("1.1.0", "load", "up", "name", "stat"), "pending");
  const request = await approval();
  expect(request.difference).toMatchObject({ from: "1.0.1", asksMore: true, added: [STAT] });
  expect(await call("load")).toBe("ok");
  await ask(`hub approve ${product.agent} ${PACK} --yes`);
  await untilState(product, PACK, next.digest, "active");
  await until("the new tool", async () => (await call("stat")) === "ok");
});

test("what the hub takes back is gone at once", async () => {
  await ask(`hub revoke-approval ${product.agent} ${PACK}`);
  expect(await call("load")).not.toBe("ok");
  await ask(`hub approve ${product.agent} ${PACK} --yes`);
  await until("the tool", async () => (await call("load")) === "ok");
});

test("what a person revokes on the host stays revoked, until they approve it there", async () => {
  expect((await onHost(`revoke ${PACK}`)).code).toBe(0);
  expect(await call("load")).not.toBe("ok");
  await until("the hub to know", async () => (await approval()).refusedOnHost);
  expect(await refusalOf("sonde", words(`hub approve ${product.agent} ${PACK} --yes`))).toBe(
    "HOST_DECIDES",
  );
  expect((await onHost(`explain ${PACK}`)).out).toContain("revoked on this host");
  expect((await onHost(`approve ${PACK} --yes`)).code).toBe(0);
  await until("the tool", async () => (await call("name")) === "ok");
  expect(await waiting()).not.toContain(`${PACK} 1.1.0`);
});

test("each act is on record, with who did it and what was granted", async () => {
  const records = (await readVerifiedAudit(product)).map(({ record }) => record);
  const acts = records.filter(({ event }) => event.startsWith("pack.approv"));
  expect(acts.map(({ event, status }) => `${event} ${status}`)).toEqual([
    "pack.approved info",
    "pack.approved info",
    "pack.approved info",
    "pack.approval-revoked info",
    "pack.approved info",
  ]);
  for (const { principal, agent } of acts) {
    expect([principal?.startsWith("key:"), agent]).toEqual([true, product.agent]);
  }
  expect(acts[1]?.detail).toMatchObject({ carriedFrom: "1.0.0", items: [LOAD, UPTIME].toSorted() });
});
