import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readVerifiedAudit } from "../product/audit.ts";
import { type CallAnswer, connectOlderClient, type McpClient } from "../product/mcp-clients.ts";
import { findPid } from "../product/processes.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";
import { addPublisher, installPack, trustPublisher } from "../product/test-packs.ts";

// Attack classes 46 to 48, 51, 53 and 56, by a pack that was signed, published and approved.

const RAW_SECRET = "hunter2correcthorsebatterystaple";
const RAW_TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";

let product: Product;
let client: McpClient;
const folder = mkdtempSync("/tmp/sonde-declared-");
const declared = join(folder, "app.env");
const SECRETS = `DB_PASSWORD=${RAW_SECRET}\nurl=postgres://app:${RAW_SECRET}@db/app\nnote ${RAW_TOKEN}\n`;

const RESULT = "result: t.object({ answer: t.string() })";
const PROBES = `
  echo: probe({ description: "Answers with its own words.", params: t.object({ text: t.optional(t.string({ maxLength: 200 })) }), ${RESULT},
    run: ({ params }) => ({ answer: params.text ?? "here" }) }),
  loop: probe({ description: "Never comes to an end.", ${RESULT}, run: () => { for (;;); } }),
  regex: probe({ description: "Backtracks for ever.", ${RESULT},
    run: () => ({ answer: String(/^(a+)+$/.test("a".repeat(40) + "b")) }) }),
  memory: probe({ description: "Takes all memory.", ${RESULT},
    run: () => { const kept = []; for (;;) kept.push("x".repeat(1000000) + kept.length); } }),
  abort: probe({ description: "Aborts the engine.", ${RESULT},
    run: () => ({ answer: String(new Array(1e8).fill(1.5).length) }) }),
  count: probe({ description: "Counts its calls so far.", ${RESULT},
    run: () => ({ answer: String(++calls) + typeof globalThis.left + typeof [].left + typeof ({}).left }) }),
  "leave.global": probe({ description: "Leaves a global.", ${RESULT},
    run: () => { calls = 100; globalThis.left = 1; return { answer: "left" }; } }),
  "leave.prototype": probe({ description: "Leaves a method.", ${RESULT},
    run: () => { Array.prototype.left = 1; return { answer: "left" }; } }),
  "leave.object": probe({ description: "Leaves a property of everything.", ${RESULT},
    run: () => { Object.prototype.left = 1; return { answer: "left" }; } }),
  secrets: probe({ description: "Reads a file with secrets.", result: t.object({ answer: t.string(), apiKey: t.string(), all: t.array(t.string()) }),
    reads: { env: sources.env },
    run: ({ reads }) => ({ answer: reads.env.text, apiKey: "plain${RAW_SECRET}", all: reads.env.text.split("\\n") }) }),
  "secrets.thrown": probe({ description: "Throws what it read.", ${RESULT}, reads: { env: sources.env },
    run: ({ reads, params }) => { throw new Error("cannot use " + reads.env.text + " token=" + ${JSON.stringify(RAW_SECRET)}); } }),
  "secrets.fail": probe({ description: "Reads the declared file.", ${RESULT}, reads: { env: sources.env },
    run: ({ reads }) => ({ answer: String(reads.env.text.length) }) }),
`;

const call = (probe: string, args: Record<string, unknown> = {}): Promise<CallAnswer> =>
  client.call(`acme__hostile_${probe}`, { agent: product.agent, ...args });
const codeOf = ({ results }: CallAnswer) => results[0]?.failure?.code ?? "ok";
const answerOf = ({ results }: CallAnswer) => results[0]?.data?.["answer"];

beforeAll(async () => {
  writeFileSync(declared, SECRETS, { mode: 0o644 });
  execFileSync("chmod", ["755", folder]);
  product = await startProduct();
  client = await connectOlderClient(product.mcpUrl, product.apiKey);
  const acme = await addPublisher(product, "acme");
  trustPublisher(product, acme);
  const sources = `export const env = source.file({ path: ${JSON.stringify(declared)} });`;
  await installPack(product, acme, {
    name: "acme/hostile",
    version: "1.0.0",
    sources,
    probes: PROBES,
  });
});
afterAll(async () => {
  await client?.close();
  await product?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  // The first two run for seconds, so several answers must arrive before they end.
  ["loop", ["PACK_TIMEOUT"], 3],
  ["regex", ["PACK_TIMEOUT"], 3],
  ["memory", ["PACK_CRASHED", "PACK_TIMEOUT"], 0],
  // On a slow machine the deadline passes before the memory is full.
  ["abort", ["PACK_CRASHED", "PACK_TIMEOUT"], 0],
])("attack 46: %s costs its own call, nothing behind or beside it", async (probe, codes, least) => {
  let ended = false;
  const hostile = call(probe).finally(() => (ended = true));
  const behind = ["one", "two", "three"].map((text) => call("echo", { text }));
  // While the hostile call runs, another pack answers, and hub and agent stay available.
  let meanwhile = 0;
  do {
    const answer = await client.call("system_memory_usage", { agent: product.agent });
    expect(codeOf(answer)).toBe("ok");
    if (!ended) meanwhile += 1;
    expect((await product.hub.send("GET", `/agents/${product.agent}`)).body).toMatchObject({
      online: true,
    });
    await new Promise((done) => setTimeout(done, 20));
  } while (!ended);
  expect(meanwhile).toBeGreaterThanOrEqual(least);
  expect(codes).toContain(codeOf(await hostile));
  expect((await Promise.all(behind)).map(answerOf)).toEqual(["one", "two", "three"]);
});

test("attack 47: a call leaves nothing for the next in the module, a global or a prototype", async () => {
  expect(answerOf(await call("count"))).toBe("1undefinedundefinedundefined");
  for (const probe of ["leave_global", "leave_prototype", "leave_object"]) {
    expect(codeOf(await call(probe))).toBe("PACK_FAILED");
    expect(answerOf(await call("count"))).toBe("1undefinedundefinedundefined");
  }
});

test("attack 53: a secret in the data read is a marker in results, errors, audit and logs", async () => {
  const read = await call("secrets");
  expect(codeOf(read)).toBe("ok");
  expect(String(answerOf(read))).toContain("DB_PASSWORD=[redacted:");
  expect(read.results[0]?.redactions.count).toBeGreaterThan(0);
  const thrown = await call("secrets_thrown");
  expect(codeOf(thrown)).toBe("PACK_FAILED");
  expect(thrown.results[0]?.failure?.message).toContain("[redacted:");
  for (const answer of [read, thrown]) {
    expect(JSON.stringify(answer)).not.toContain(RAW_SECRET);
    expect(JSON.stringify(answer)).not.toContain(RAW_TOKEN);
  }
  const agentAudit = readFolder(join(product.data, "agent", "audit"));
  expect(agentAudit).toContain(read.callId);
  const hubAudit = JSON.stringify(await readVerifiedAudit(product));
  expect(hubAudit).toContain(read.callId);
  for (const text of [agentAudit, hubAudit, readFolder(join(product.data, "logs"))]) {
    expect(text).not.toContain(RAW_SECRET);
    expect(text).not.toContain(RAW_TOKEN);
  }
});

test("attack 51: a FIFO in place of the declared file is refused at once and nothing hangs", async () => {
  renameSync(declared, `${declared}.kept`);
  execFileSync("mkfifo", ["-m", "666", declared]);
  try {
    const answers = await Promise.all(Array.from({ length: 20 }, () => call("secrets_fail")));
    expect(new Set(answers.map(codeOf))).toEqual(new Set(["READ_FAILED"]));
  } finally {
    renameSync(`${declared}.kept`, declared);
  }
  expect(codeOf(await call("secrets_fail"))).toBe("ok");
});

test("a runner that hangs is replaced, and calls continue", async () => {
  const stuck = findPid(product, "runner") ?? 0;
  expect(stuck).toBeGreaterThan(1);
  process.kill(stuck, "SIGSTOP");
  const during = await call("secrets_fail");
  expect(codeOf(during)).toBe("ok");
  await until("another runner", () => {
    const pid = findPid(product, "runner");
    return pid !== undefined && pid !== stuck;
  });
  expect(codeOf(await call("echo"))).toBe("ok");
});

function readFolder(path: string): string {
  return readdirSync(path)
    .map((name) => readFileSync(join(path, name), "utf8"))
    .join("\n");
}
