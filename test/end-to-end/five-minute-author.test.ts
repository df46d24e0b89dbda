import { copyFileSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { PackExplanation } from "@sonde/schemas/agent";
import type { AgentDetail } from "@sonde/schemas/hub";
import type { PackReport } from "@sonde/schemas/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Author, createAuthor } from "../product/author.ts";
import { connectBoth, type McpClient } from "../product/mcp-clients.ts";
import { askProgram, refusalOf, runProgram } from "../product/run-program.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";

const TOOL = "acme__hello_greet";
let product: Product;
let clients: McpClient[];
let author: Author;

beforeAll(async () => {
  product = await startProduct();
  clients = await connectBoth(product.mcpUrl, product.apiKey);
  author = await createAuthor(product);
});
afterAll(async () => {
  for (const client of clients ?? []) await client.close();
  await product?.stop();
  author?.remove();
});

const data = () => ["--data", product.data];
const sonde = <T>(...args: string[]) => askProgram<T>("sonde", [...args, ...data()]);
/** As the agent reported it to the hub. */
const reports = async () => {
  const { body } = await product.hub.send("GET", `/agents/${product.agent}`);
  return (body["packs"] as PackReport[]).filter(({ name }) => name === "acme/hello");
};
const stateOf = async (version: string) =>
  (await reports()).find((report) => report.version === version)?.state;

/** Does `work` and waits until every client was notified that the list changed. */
async function untilTold(work: () => Promise<unknown>): Promise<void> {
  const before = clients.map((client) => client.changes());
  await work();
  for (const [index, client] of clients.entries()) {
    await until(`list_changed at the ${client.generation} client`, () => {
      return client.changes() > (before[index] ?? 0);
    });
  }
}

async function isListed(client: McpClient): Promise<boolean> {
  return (await client.listTools()).some(({ name }) => name === TOOL);
}

async function expectListed(expected: boolean): Promise<void> {
  for (const client of clients) {
    const what = `the ${client.generation} client's list ${expected ? "to have" : "to be without"} it`;
    await until(what, async () => (await isListed(client)) === expected);
  }
}

async function expectAnswers(greeting: string): Promise<void> {
  for (const client of clients) {
    const answer = await client.call(TOOL, { agent: product.agent, name: "Ada" });
    const [result] = answer.results;
    expect(result?.data?.["greeting"], JSON.stringify(answer)).toBe(greeting);
    const hours = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]) / 3600;
    expect(Math.abs(Number(result?.data?.["uptimeHours"]) - hours)).toBeLessThan(0.2);
  }
}

async function expectUnknown(): Promise<void> {
  for (const client of clients) {
    const answer = await client.call(TOOL, { agent: product.agent });
    expect(answer.isError).toBe(true);
    expect(answer.results[0]?.failure?.code).toBe("PROBE_UNKNOWN");
  }
}

describe("a pack by an unknown author", () => {
  let archive: string;

  test("is edited, built, tested and signed in the author's own folder", async () => {
    author.edit("src/greet.ts", "Hello $", "Good day $");
    archive = await author.build();
    // The recorded call still expects the old words, so the author's own test fails first.
    expect((await runProgram("sonde-pack", ["test"], { cwd: author.folder })).code).toBe(1);
    author.edit("fixtures/greet.json", "Hello Ada", "Good day Ada");
    expect((await runProgram("sonde-pack", ["test"], { cwd: author.folder })).code).toBe(0);
  });

  test("is published once the registry's operator adds the publisher", async () => {
    const publish = ["publish", archive, "--registry", product.registryUrl];
    const stranger = { env: { SONDE_PUBLISH_TOKEN: "sonde_pt_a-token-nobody-gave" } };
    expect(await refusalOf("sonde-pack", publish, stranger)).toBe("UNAUTHENTICATED");

    const key = ["--key", `${author.keyFile}.pub`, "--token-file", author.tokenFile];
    await sonde("registry", "publisher", "add", "acme", ...key);
    expect((await author.publish(archive)).name).toBe("acme/hello");
  });

  test("is verified by hub and agent only once this host trusts the key", async () => {
    const install = ["hub", "install", "acme/hello@0.1.0", ...data()];
    expect(await refusalOf("sonde", install)).toBe("SIGNER_UNTRUSTED");
    expect(await reports()).toEqual([]);

    const { err } = await runProgram("sonde", install);
    const add = ["trust", "add", "acme", "--key", `${author.keyFile}.pub`];
    const { keyId } = await sonde<{ keyId: string }>(...add);
    expect(err).toContain(keyId);
    expect(err).toContain(`sonde trust add PUBLISHER --key FILE --data ${product.data}\n`);
    const agent = await askProgram<AgentDetail>("sonde", install);
    expect(agent.desired.map(({ name }) => name)).toContain("acme/hello");
    await until("the agent to verify the pack", async () => (await stateOf("0.1.0")) === "pending");
    await expectListed(false);
    await expectUnknown();
  });

  test("shows a person its exact reads before it is approved", async () => {
    const shown = await sonde<PackExplanation>("agent", "explain", "acme/hello");
    expect(shown.requires.files).toEqual(["/proc/sys/kernel/hostname", "/proc/uptime"]);
    expect(shown.signer).toMatchObject({ kind: "rsa-sha256", publisher: "acme" });
    expect(shown.state).toBe("pending");
    // Without a terminal and without --yes, nothing is approved.
    expect(await refusalOf("sonde", ["agent", "approve", "acme/hello", ...data()])).toBe(
      "FORBIDDEN",
    );
    expect(await stateOf("0.1.0")).toBe("pending");
  });

  test("appears on approval in clients that are already connected, and answers", async () => {
    await untilTold(() => sonde("agent", "approve", "acme/hello", "--yes"));
    expect(await stateOf("0.1.0")).toBe("active");
    await expectListed(true);
    await expectAnswers(`Good day Ada, this is ${hostname()}.`);
  });

  test("disappears on revoke, and returns on a new approval", async () => {
    await untilTold(() => sonde("agent", "revoke", "acme/hello"));
    await until("the hub to know", async () => (await stateOf("0.1.0")) === "revoked");
    await expectListed(false);
    await expectUnknown();

    await untilTold(() => sonde("agent", "approve", "acme/hello", "--yes"));
    await expectListed(true);
  });

  test("disappears when the hub removes it; installed again under the old approval, it is active at once", async () => {
    await untilTold(() => sonde("hub", "remove", "acme/hello"));
    await until("the agent to have dropped it", async () => (await reports()).length === 0);
    await expectListed(false);
    await expectUnknown();

    await untilTold(() => sonde("hub", "install", "acme/hello@0.1.0"));
    await until("the hub to know", async () => (await stateOf("0.1.0")) === "active");
    await expectListed(true);
    await expectAnswers(`Good day Ada, this is ${hostname()}.`);
  });
});

describe("a new version that asks for more", () => {
  test("is held, shows what it asks for, and the old version stays active", async () => {
    author.edit("src/pack.ts", "0.1.0", "0.2.0");
    author.edit(
      "src/sources.ts",
      "export const uptime",
      'export const load = source.file({ path: "/proc/loadavg", maxBytes: 256 });\nexport const uptime',
    );
    author.edit("src/greet.ts", "reads: {", "reads: { load: sources.load,");
    author.edit("src/greet.ts", "Good day $", "Welcome $");
    await author.publish(await author.build());

    await sonde("hub", "install", "acme/hello@0.2.0");
    await until("the new version to be judged", async () => (await stateOf("0.2.0")) === "held");
    expect(await stateOf("0.1.0")).toBe("active");
    const shown = await sonde<PackExplanation>("agent", "explain", "acme/hello");
    expect(shown.missing.files).toEqual(["/proc/loadavg"]);
    expect(shown.gone.files).toEqual([]);
    const told = await runProgram("sonde", ["agent", "explain", "acme/hello", ...data()]);
    expect(told.out).toContain("  READ_NOT_GRANTED: asks for more than was approved");
    expect(told.out).toMatch(/ {2}beside what .+ approved at 20/);
    expect(told.out).toContain("    + file /proc/loadavg\n");
    await expectListed(true);
    await expectAnswers(`Good day Ada, this is ${hostname()}.`);
  });

  test("is not approved by a name that it has no item of", async () => {
    const wrong = ["agent", "approve", "acme/hello", "--only", "file /etc/shadow", "--yes"];
    const refused = await runProgram("sonde", [...wrong, ...data()]);
    expect(refused.err).toMatch(/^BAD_REQUEST: expected an item of acme\/hello/);
    expect(await stateOf("0.2.0")).toBe("held");
  });

  test("does not serve while what it reads is withheld, and the old version goes on", async () => {
    const known = await sonde<PackExplanation>("agent", "explain", "acme/hello");
    const only = known.items.filter(({ state }) => state === "granted").map(({ item }) => item);
    expect(known.items).toContainEqual({ item: "file /proc/loadavg", state: "asked" });
    expect(only.length).toBeGreaterThan(0);
    const options = only.flatMap((item) => ["--only", item]);
    const report = await sonde<PackReport>("agent", "approve", "acme/hello", ...options, "--yes");
    expect([report.state, report.reason?.code]).toEqual(["active", undefined]);
    const shown = await sonde<PackExplanation>("agent", "explain", "acme/hello");
    expect([shown.version, shown.state]).toEqual(["0.2.0", "pending"]);
    expect(shown.items).toContainEqual({ item: "file /proc/loadavg", state: "withheld" });
    expect(shown.probes[0]?.lacks).toEqual(["file /proc/loadavg"]);
    await expectAnswers(`Good day Ada, this is ${hostname()}.`);
  });

  test("becomes active when it is approved", async () => {
    await sonde("agent", "approve", "acme/hello", "--yes");
    await until("the new version to serve", async () => (await stateOf("0.2.0")) === "active");
    expect((await reports()).map(({ version }) => version)).toEqual(["0.2.0"]);
    await expectAnswers(`Welcome Ada, this is ${hostname()}.`);
  });
});

describe("a new version with another description", () => {
  test("is not listed until its description is approved on the hub", async () => {
    author.edit("src/pack.ts", "0.2.0", "0.3.0");
    author.edit("src/greet.ts", "Greets by name", "Greets you by name");
    await author.publish(await author.build());

    // The upgrade asks for nothing more, so the host activates it. The hub withholds the tools,
    // because their words differ from the pin.
    await untilTold(() => sonde("hub", "install", "acme/hello@0.3.0"));
    await until("the new version to serve", async () => (await stateOf("0.3.0")) === "active");
    await expectListed(false);
    await expectUnknown();

    const approved = await sonde<{ approved: string[] }>("hub", "approve-tools", "acme/hello");
    expect(approved).toEqual({ approved: ["acme/hello.greet"] });
    await until("the tool to come back", () => isListed(clients[0] as McpClient));
    await expectAnswers(`Welcome Ada, this is ${hostname()}.`);
  });
});

describe("an unsigned version", () => {
  const install = () => ["hub", "install", "acme/hello@0.4.0", ...data()];
  let folder: string;

  test("is loaded only from the folder that the host allows", async () => {
    author.edit("src/pack.ts", "0.3.0", "0.4.0");
    author.edit("src/greet.ts", "Welcome $", "Hello $");
    const { file } = await askProgram<{ file: string }>("sonde-pack", ["build"], {
      cwd: author.folder,
    });
    expect(await refusalOf("sonde", install())).toBe("NOT_FOUND");

    folder = join(product.data, "own-packs");
    await sonde("trust", "allow-unsigned", folder);
    expect(await refusalOf("sonde", install())).toBe("NOT_FOUND");
    copyFileSync(file, join(folder, "hello-0.4.0.tgz"));
    await sonde("hub", "install", "acme/hello@0.4.0");
    await until("the unsigned version to serve", async () => (await stateOf("0.4.0")) === "active");
    expect((await reports())[0]?.signer).toEqual({ kind: "none", publisher: "acme" });
  });

  test("is marked in its tool's title, which needs a separate approval, and in the audit log", async () => {
    await expectListed(false);
    await sonde("hub", "approve-tools", "acme/hello");
    await expectListed(true);
    for (const client of clients) {
      const tool = (await client.listTools()).find(({ name }) => name === TOOL);
      expect(tool?.annotations).toMatchObject({ title: "acme/hello.greet (UNSIGNED)" });
    }
    const client = clients[0] as McpClient;
    const agents = await client.call("list_agents", {});
    expect(agents.text).toContain("acme/hello 0.4.0 active (UNSIGNED)");
    const told = await runProgram("sonde", ["agent", "packs", ...data()]);
    expect(told.out).toContain("acme/hello 0.4.0 (UNSIGNED)  active");
    const { callId, isError } = await client.call(TOOL, { agent: product.agent });
    expect(isError).toBe(false);
    const { body } = await product.hub.send("GET", `/calls/${callId}`);
    expect(body["pack"]).toMatchObject({ signer: expect.stringContaining("NOBODY") });
  });

  test("is not loaded once signatures are required again", async () => {
    await sonde("trust", "demand-signed");
    expect(await refusalOf("sonde", install())).toBe("NOT_FOUND");
  });
});
