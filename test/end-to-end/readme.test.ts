import { spawn } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AgentDetail } from "@sonde/schemas/hub";
import { parseTrustPolicy } from "@sonde/schemas/trust";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectOlderClient } from "../product/mcp-clients.ts";
import {
  createDataFolder,
  type Product,
  startProduct,
  until,
  workspace,
} from "../product/start-product.ts";
import { type StartedRegistry, startRegistry } from "../product/start-registry.ts";

// Types every command that the documents show, unchanged and in order, in the clone.

const readText = (path: string) => readFileSync(path, "utf8");
const read = (path: string) => readText(join(workspace, path));
const documents = [
  "README.md",
  ...readdirSync(join(workspace, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => `docs/${path}`),
];
const linesOf = (path: string) =>
  [...read(path).matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, body = ""]) =>
    body.split("\n").filter((line) => line !== ""),
  );
const lines = documents.flatMap(linesOf);
/** Commands in running text: each starts with a program of package.json. */
const spans = new Set(
  documents.flatMap((path) =>
    [
      ...read(path)
        .replaceAll(/^```[\s\S]*?^```$/gm, "")
        .matchAll(/`(npm [^`\n]+)`/g),
    ].map(([, command = ""]) => command),
  ),
);

/** Lines that cannot be typed as they are, and their replacements. */
const START = "npm start";
const TEST = "npm test";
const CLAUDE = "claude mcp add ";
/** Commands in running text that this file does not type, with the reason. */
const NOT_TYPED = new Map([
  [START, "is the product that everything here runs against"],
  [TEST, "runs this very file"],
  ["npm test -- --help", "runs nothing"],
  ["npm run check", "is the static part of npm test"],
  ["npm run mutants", "takes minutes; npm test runs a part of it"],
  ["npm run mutants -- --changed --record", "takes minutes"],
  ["npm run generate", "is compared by npm run check"],
  ["npm run package", "test/hosts/install.test.ts builds so"],
  ["npm run package -- --formats deb,tar.gz,oci.tar", "test/hosts/images.test.ts builds so"],
  ["npm run bench", "takes minutes"],
  ["npm run bench -- --quick", "takes minutes"],
  ["npm run bench -- audit", "takes minutes"],
  ["npm run bench -- agent", "takes minutes"],
  ["npm run soak", "test/end-to-end/soak.test.ts runs a minute of it"],
  ["npm run soak -- --seed 1 --minutes 1", "test/end-to-end/soak.test.ts runs it so"],
  ["npm run test:hosts", "boots hosts for minutes; the nightly run has it"],
  ["npm run demo:attack", "attacks the default data folder; typed below with --data"],
  ["npm start -- --runner-groups docker", "test/end-to-end/docker.test.ts starts so"],
  ["npm run", "names the command, not a use of it"],
]);

let product: Product;
let home: string;
let mirrorHome: string;
let mirror: StartedRegistry;
/** Of a call whose evidence a document exports. */
let callId: string;

beforeAll(async () => {
  // `npm start`, with a temporary folder and free ports.
  product = await startProduct();
  home = createDataFolder();
  // Stands for /tmp in the documents: hub and agent, which run as other users, read a pack from
  // here.
  chmodSync(home, 0o755);
  writeFileSync(join(home, "app.conf"), "password = hunter2\n");
  // The other site of docs/air-gap.md.
  mirrorHome = createDataFolder();
  const { logKey } = parseTrustPolicy(
    JSON.parse(readText(join(product.data, "config/trust.json"))),
  );
  mirror = await startRegistry(product, mirrorHome, { mirror: { logKey } });
  const path = "/tools/system_memory_usage/call";
  const { body } = await product.hub.send("POST", path, { body: { agent: product.agent } });
  [callId = ""] = (body as { callIds: string[] }).callIds;
});
afterAll(async () => {
  await product?.stop();
  await mirror?.stop();
  for (const folder of [home, mirrorHome]) {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
});

/** Placeholders and addresses in the documents, and their values in this test. */
const SUBSTITUTIONS: { shown: string; here: () => string }[] = [
  { shown: "/tmp/hello", here: () => join(home, "hello") },
  { shown: "/tmp/acme", here: () => join(home, "acme") },
  { shown: "/tmp/uptime", here: () => join(home, "uptime") },
  { shown: "/etc/app.conf", here: () => join(home, "app.conf") },
  { shown: "/tmp/packs.tar", here: () => join(home, "packs.tar") },
  { shown: "/srv/mirror", here: () => mirrorHome },
  { shown: "/tmp/globex", here: () => join(home, "globex") },
  { shown: "http://127.0.0.1:4311", here: () => product.registryUrl },
  { shown: "http://127.0.0.1:4310/mcp", here: () => product.mcpUrl },
  { shown: "http://127.0.0.1:4310/api", here: () => `${product.hubUrl}/api` },
  { shown: "http://127.0.0.1:4310/metrics", here: () => `${product.hubUrl}/metrics` },
  { shown: "/tmp/sonde-reports.key", here: () => join(home, "reports.key") },
  { shown: "/tmp/sonde-calls.jsonl", here: () => join(home, "calls.jsonl") },
  { shown: "/tmp/sonde-log.jsonl", here: () => join(home, "log.jsonl") },
  { shown: "/tmp/sonde-evidence.json", here: () => join(home, "evidence.json") },
  { shown: "CALL_ID", here: () => callId },
  { shown: "/tmp/sonde-metrics.key", here: () => join(home, "metrics.key") },
  { shown: "/var/lib/sonde", here: () => product.data },
  { shown: "FOLDER", here: () => product.data },
];
/** Programs that find the data folder of `npm start` without `--data`. */
const TAKES_DATA =
  /^npm run -s sonde -- (?!agent scrub)(agents?|audit|call|evidence export|hub|keys|logs|packs|registry|status|trust)\b/;

function place(line: string): string {
  const here = SUBSTITUTIONS.reduce((text, { shown, here: put }) => {
    return text.replaceAll(shown, put());
  }, line);
  return TAKES_DATA.test(line) && !line.includes(" --data ")
    ? `${here} --data ${product.data}`
    : here;
}

type Typed = { code: number | null; said: string };

/** Types a line at a terminal, and answers a question with yes. */
function type(line: string): Promise<Typed> {
  const child = spawn("script", ["-qefc", line, "/dev/null"], {
    cwd: workspace,
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 90_000,
    killSignal: "SIGKILL",
  });
  let said = "";
  let answered = false;
  const hear = (chunk: Buffer) => {
    said += chunk.toString();
    if (answered || !said.includes("[y/N] ")) return;
    answered = true;
    child.stdin.write("y\n");
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  return new Promise((done, fail) => {
    child.once("error", fail);
    child.once("close", (code) => done({ code, said }));
  });
}

async function stateOf(pack: string): Promise<string | undefined> {
  const { body } = await product.hub.send("GET", `/agents/${product.agent}`);
  return (body as AgentDetail).packs.find(({ name }) => name === pack)?.state;
}

/** What must have happened before a person types the next line. */
async function settle(line: string): Promise<void> {
  const [, installed] = /(?:hub|packs) install ([\w/-]+)@/.exec(line) ?? [];
  if (installed === undefined) return;
  await until(`${installed} to be verified`, async () => (await stateOf(installed)) === "pending");
}

test("every line of a command block is typed", () => {
  expect(lines.length).toBeGreaterThan(14);
  expect(lines.filter((line) => line === START || line === TEST)).toEqual([START, TEST]);
  expect(lines.filter((line) => line.startsWith(CLAUDE))).toHaveLength(1);
  // Any other program belongs to this clone, and `type` runs it.
  const others = lines.filter((line) => !NOT_TYPED.has(line) && !line.startsWith(CLAUDE));
  expect(
    others.filter((line) => !/^(npm run -s sonde(-pack)? -- [a-z]|printf '|curl -sSf )/.test(line)),
  ).toEqual([]);
  const text = [...lines, ...spans].join("\n");
  expect(SUBSTITUTIONS.filter(({ shown }) => !text.includes(shown))).toEqual([]);
});

describe("the command blocks, in their order", () => {
  const typed = lines.filter((line) => !NOT_TYPED.has(line));

  test.each(typed.map((line) => [line]))("%s", async (line) => {
    // Claude itself is not installed: a stand-in of that name records its arguments.
    const standIn = `claude() { printf '%s\\n' "$@"; }\n`;
    const isClaude = line.startsWith(CLAUDE);
    const { code, said } = await type(isClaude ? standIn + place(line) : place(line));
    expect(code, said).toBe(0);
    if (isClaude) await expectConnects(said);
    await settle(line);
  });

  test("have the results that the documents promise", async () => {
    expect(await stateOf("acme/hello")).toBe("active");
    // The advisory at the end of docs/publish-a-pack.md withdrew the pack.
    await until(
      "the advisory to count",
      async () => {
        return (await stateOf("globex/uptime")) === "quarantined";
        // The hub reads the log every minute.
      },
      90_000,
    );
    const client = await connectOlderClient(product.mcpUrl, product.apiKey);
    try {
      expect((await client.listTools()).map(({ name }) => name)).toContain("acme__hello_greet");
    } finally {
      await client.close();
    }
  });
});

/** @param said the arguments that `claude` was given, one a line; a client uses them */
async function expectConnects(said: string): Promise<void> {
  const [mcp, add, flag, transport, name, url, header, value = "", ...rest] = said
    .trim()
    .split(/\r?\n/);
  expect([mcp, add, flag, transport, name]).toEqual(["mcp", "add", "--transport", "http", "sonde"]);
  expect([header, rest]).toEqual(["--header", []]);
  const [, key = ""] = /^Authorization: Bearer (\S+)$/.exec(value) ?? [];
  const client = await connectOlderClient(url ?? "", key);
  try {
    const answer = await client.call("system_memory_usage", { agent: product.agent });
    expect(answer.results[0]?.status).toBe("ok");
  } finally {
    await client.close();
  }
}

describe("commands in the running text", () => {
  const TYPED = [
    "npm start -- --help",
    "npm run -s sonde -- agent explain docker",
    "npm run demo:attack -- --data FOLDER",
    "npm run -s sonde -- packs approve acme/hello",
    "npm run -s sonde -- agent revoke acme/hello",
    "npm run -s sonde -- packs revoke acme/hello",
  ];

  test.each(TYPED.map((line) => [line]))("%s", async (line) => {
    const { code, said } = await type(place(line));
    expect(code, said).toBe(0);
  });

  test("have the results that the text promises", async () => {
    // The agent removes the pack and reports it after the command has been answered.
    await until("acme/hello to be gone", async () => (await stateOf("acme/hello")) === undefined);
    expect(await stateOf("acme/hello")).toBeUndefined();
  });

  test("are all typed above or listed with a reason", () => {
    const known = new Set([...TYPED, ...NOT_TYPED.keys(), ...lines]);
    expect([...spans].filter((command) => !known.has(command))).toEqual([]);
    const unused = [...TYPED, ...NOT_TYPED.keys()].filter(
      (command) => !spans.has(command) && !lines.includes(command),
    );
    expect(unused).toEqual([]);
  });
});
