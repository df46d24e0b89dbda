import type { Database } from "@sonde/database";
import type { Manifest } from "@sonde/schemas/manifest";
import type { PackReport, ResultBody } from "@sonde/schemas/wire";
import { digestOf } from "@sonde/trust/archive";
import { buildSampleManifest } from "@sonde/trust/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { createPackStore } from "../../hub/src/catalog/edge/pack-store.ts";
import { openDirectory } from "../../hub/src/directory/index.ts";
import { type Account, invite, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { buildConsole } from "../../hub/web/src/build-console.ts";
import {
  type ConsoleHost,
  faultsOf,
  type OpenedConsole,
  startConsoleHost,
} from "../product/console-host.ts";
import { type PlayedAgent, playAgent } from "../product/played-agent.ts";

// The page on which a person tries a tool, in Chromium, with a hub that runs and agents that the test
// plays.

const EVIL = `<img src=x onerror="alert(1)"></script><script>alert(2)</script>\u202e{{7*7}}`;
const PACK = "acme/shop";
const digest = digestOf(Buffer.from(PACK));
const closed = { additionalProperties: false } as const;

type Params = Manifest["probes"][string]["params"];
const params = {
  type: "object",
  properties: {
    path: { type: "string", maxLength: 10, description: "Which folder." },
    limit: { type: "integer", minimum: 1, maximum: 50, description: "How many." },
    share: { type: "number" },
    deep: { type: "boolean" },
    sort: { type: "string", enum: ["name", "size"] },
    names: { type: "array", items: { type: "string", maxLength: 8 }, maxItems: 2 },
    kinds: { type: "array", items: { type: "string", enum: ["file", "folder", "link"] } },
    since: { anyOf: [{ type: "integer", minimum: 0 }, { type: "null" }] },
  },
  required: ["path", "since"],
  ...closed,
} as Params;
const row = {
  type: "object",
  properties: {
    name: { type: "string" },
    usedBytes: { type: "integer" },
    usedPercent: { type: "number" },
  },
  required: ["name", "usedBytes", "usedPercent"],
  ...closed,
} as Params;
const result = {
  type: "object",
  properties: {
    hostTime: { type: "string" },
    shelfCount: { type: "integer" },
    shelves: { type: "array", items: row },
  },
  required: ["hostTime", "shelfCount", "shelves"],
  ...closed,
} as Params;

let hub: TestHub;
let host: ConsoleHost;
let owner: Account;
const agents: PlayedAgent[] = [];
const opened: OpenedConsole[] = [];
/** What an agent was asked with. */
const calls: { agent: string; probe: string; params: unknown }[] = [];
let answer: Partial<ResultBody>;

beforeAll(async () => {
  answer = { data: ANSWER };
  [hub, host] = await Promise.all([
    startHub(addShop, {}, { console: await buildConsole(), config: { callTimeoutMs: 30_000 } }),
    startConsoleHost(),
  ]);
  expect((await hub.ask("POST", "/tool-pins", { packDigest: digest })).code).toBe(200);
  owner = await makeOwner(hub);
  await hub.ask("POST", "/agents/web-1/tags", { set: ["role=web"], remove: [] });
  await play("web-1", hub.agent);
  const second = await hub.enrol("web-2", ["role=web"]);
  // Another process enrolled it: the hub hears of it.
  const known = async () => (await hub.ask("GET", "/agents/web-2")).code;
  await vi.waitFor(async () => expect(await known()).toBe(200), 60_000);
  await play("web-2", second);
  const tools = async () => JSON.stringify((await hub.ask("GET", "/tools")).answer);
  const both = /"agents":\["web-1","web-2"\]/;
  await vi.waitFor(async () => expect(await tools()).toMatch(both), 60_000);
}, 240_000);
afterEach(async () => {
  answer = { data: ANSWER };
  calls.length = 0;
  for (const one of opened.splice(0)) await one.close();
});
afterAll(async () => {
  for (const agent of agents) agent.close();
  await host?.close();
  await hub?.close();
});

const ANSWER = {
  hostTime: "noon",
  shelfCount: 2,
  shelves: [
    { name: "top", usedBytes: 3_221_225_472, usedPercent: 91.25 },
    { name: "low", usedBytes: 10, usedPercent: 2 },
  ],
};

async function addShop({ sql }: Database): Promise<void> {
  const directory = await openDirectory(sql, (error) => {
    throw error;
  });
  const sample = buildSampleManifest({ name: PACK });
  const { greet } = sample.probes;
  if (greet === undefined) throw new Error("expected the sample's probe");
  const evil = {
    ...{ type: "object", required: [], ...closed },
    properties: { what: { type: "string", enum: [EVIL, "x"], description: EVIL } },
  } as unknown as Params;
  const probes = {
    "shelf.use": { ...greet, description: "Says how full each shelf is.", params, result },
    evil: { ...greet, description: EVIL, params: evil, result },
  };
  const signer = { kind: "rsa-sha256", publisher: "acme", keyId: digest } as const;
  await createPackStore(sql, directory).savePack(
    { digest, name: PACK, version: "1.0.0", signer, manifest: { ...sample, probes } },
    "",
    new Date(),
  );
  await directory.close();
}

async function play(name: string, of: TestHub["agent"]): Promise<void> {
  const pack: PackReport = {
    ...{ name: PACK, version: "1.0.0", digest, state: "active", signer: null },
    ...{ probes: ["shelf.use", "evil"], reason: null },
    approved: { by: "root", at: "2026-01-02T03:04:05.000Z" },
  };
  const acts = {
    answer: (probe: string, given: unknown) => {
      calls.push({ agent: name, probe, params: given });
      return answer;
    },
  };
  agents.push(await playAgent(hub, { name, packs: [pack] }, { name }, of, acts));
}

async function open(
  who: { cookie?: string; key?: string } = { cookie: owner.cookie },
  options = {},
): Promise<OpenedConsole> {
  const one = await host.open(`http://localhost:${hub.ready.http}`, who, options);
  one.page.setDefaultTimeout(60_000);
  opened.push(one);
  return one;
}
const TOOL = "acme__shop_shelf_use";

describe("the questions", () => {
  test("those that the person may ask are listed by pack, and found by word and host", async () => {
    const one = await open();
    const { page } = one;
    await one.go("/try", "Try it");
    const shop = page.getByRole("region", { name: "acme/shop", exact: true });
    await shop.getByRole("link", { name: TOOL }).waitFor();
    await shop.getByText("Says how full each shelf is.").waitFor();
    await page.getByRole("region", { name: "The hub itself" }).waitFor();
    await page.getByRole("searchbox").fill("shelf full");
    await page.getByRole("region", { name: "The hub itself" }).waitFor({ state: "detached" });
    await shop.getByRole("link", { name: TOOL }).waitFor();
    await page.getByRole("searchbox").fill("qqqxyz");
    await page.getByText("No question fits.").waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  test("a host leads to what it answers, and its packs to their questions", async () => {
    const one = await open();
    const { page } = one;
    await one.go("/hosts/web-2", "web-2");
    const packs = page.getByRole("region", { name: "Packs" });
    await packs.getByRole("link", { name: "Try it with acme/shop" }).click();
    await page.getByRole("heading", { level: 1, name: "Try it" }).waitFor();
    await page.getByText("Only what web-2 answers.").waitFor();
    await page.getByRole("link", { name: TOOL }).click();
    await page.getByRole("heading", { level: 1, name: TOOL }).waitFor();
    expect(await page.getByLabel("Hosts", { exact: true }).inputValue()).toBe("web-2");
    await page.goBack();
    await page.goBack();
    await packs.getByText("What it may read").click();
    await packs.getByRole("link", { name: "acme/shop.shelf.use" }).click();
    await page.getByRole("heading", { level: 1, name: TOOL }).waitFor();
    expect(page.url()).toContain("agent=web-2");
    expect(faultsOf(one)).toEqual([]);
  });

  test("who may ask no host has the hub's own questions, and no other by its address", async () => {
    const auditor = await invite(hub, owner, "auditor", "grace");
    const one = await open({ cookie: auditor.cookie });
    await one.go("/try", "Try it");
    await one.page.getByRole("link", { name: "agent_overview" }).waitFor();
    expect(await one.page.getByRole("link", { name: TOOL }).count()).toBe(0);
    await one.go(`/try/${TOOL}`, TOOL);
    await one.page.getByText("You may ask nothing of this name").waitFor();
    const { key } = await hub.addKey({ role: "client", agents: ["web-2"], probes: "*" });
    const client = await open({ key });
    await client.go(`/try/${TOOL}`, TOOL);
    // The only host that it may ask is there already.
    const hosts = client.page.getByLabel("Hosts", { exact: true });
    await expect.poll(() => hosts.inputValue()).toBe("web-2");
    expect([...faultsOf(one), ...faultsOf(client)]).toEqual([]);
  });
});

describe("a question", () => {
  test("its form says what is wrong beside each field, and asks nothing until it is right", async () => {
    const one = await open();
    const { page } = one;
    await one.go(`/try/${TOOL}`, TOOL);
    const asked: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST") asked.push(request.url());
    });
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    const hosts = page.getByLabel("Hosts", { exact: true });
    const problemOf = async (label: string | RegExp): Promise<string> => {
      const field = page.getByLabel(label).first();
      const ids = ((await field.getAttribute("aria-describedby")) ?? "").split(" ");
      const texts = ids.map((id) => page.locator(`[id="${id}"]`).textContent());
      return (await Promise.all(texts)).join(" ");
    };
    expect(await problemOf("Hosts")).toContain("Name at least one host.");
    expect(await problemOf(/^path/)).toContain("This is needed.");
    // The first that is wrong has the focus.
    const focused = () => page.evaluate<string>("document.activeElement.labels?.[0].textContent");
    await expect.poll(focused).toBe("Hosts");
    await hosts.fill("role=web");
    await page.getByText("2 hosts: web-1, web-2").waitFor();
    await page.getByLabel(/^path/).fill("more than ten");
    await page.getByLabel(/^limit/).fill("51");
    await page.getByLabel(/^share/).fill("much");
    await page.getByLabel(/^names/).fill("one\ntwo\nthree");
    await page.getByLabel(/^since/).fill("1.5");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    expect(await problemOf(/^path/)).toContain("Expected at most 10 characters, got 13.");
    expect(await problemOf(/^limit/)).toContain("Expected 1 to 50.");
    expect(await problemOf(/^limit/)).toContain("How many. 1 to 50, empty: the tool decides");
    expect(await problemOf(/^share/)).toContain("Expected a number.");
    expect(await problemOf(/^names/)).toContain("Expected at most 2 lines, got 3.");
    expect(await problemOf(/^since/)).toContain("Expected a whole number.");
    expect(await page.getByLabel(/^path/).getAttribute("aria-invalid")).toBe("true");
    expect([...asked, ...calls]).toEqual([]);
    expect(await one.findViolations()).toEqual([]);
    expect(faultsOf(one)).toEqual([]);
  });

  test("each field becomes the value that its schema has, on each host that was chosen", async () => {
    const one = await open();
    const { page } = one;
    await one.go(`/try/${TOOL}?agent=web-1`, TOOL);
    await page.getByLabel("Hosts", { exact: true }).fill("role=web");
    await page.getByLabel(/^path/).fill("/srv");
    await page.getByLabel(/^limit/).fill("5");
    await page.getByLabel(/^share/).fill("0.5");
    await page.getByLabel(/^deep/).selectOption("no");
    await page.getByLabel(/^sort/).selectOption("size");
    await page.getByLabel(/^names/).fill("a\nb");
    await page.getByRole("checkbox", { name: "folder" }).check();
    await page.getByRole("checkbox", { name: "link" }).check();
    const response = page.waitForResponse(`**/api/v1/tools/${TOOL}/call`);
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    const { results } = (await (await response).json()) as { results: { status: string }[] };
    expect(results).toMatchObject([{ status: "ok" }, { status: "ok" }]);
    await page.getByRole("region", { name: "Answer" }).waitFor();
    const given = {
      ...{ path: "/srv", limit: 5, share: 0.5, deep: false, sort: "size" },
      ...{ names: ["a", "b"], kinds: ["folder", "link"], since: null },
    };
    expect(calls.toSorted((a, b) => (a.agent < b.agent ? -1 : 1))).toEqual([
      { agent: "web-1", probe: "acme/shop.shelf.use", params: given },
      { agent: "web-2", probe: "acme/shop.shelf.use", params: given },
    ]);
    expect(faultsOf(one)).toEqual([]);
  });

  test("what it would read is told by the hub, for the values of the form, and no host is asked", async () => {
    const one = await open();
    const { page } = one;
    await one.go(`/try/${TOOL}?agent=web-1`, TOOL);
    const sheet = page.getByRole("region", { name: "What it would read" });
    await page.getByLabel(/^path/).fill("/srv");
    await page.getByRole("button", { name: "What would it read?" }).click();
    const asked = { agent: "web-1", arguments: { path: "/srv", since: null }, explain: true };
    const told = await hub.ask("POST", `/tools/${TOOL}/call`, asked);
    const [{ data }] = told.answer["results"] as [{ data: { reads: string[] } }];
    expect(data.reads.length).toBeGreaterThan(0);
    const items = sheet.getByRole("listitem");
    await expect.poll(() => items.allTextContents()).toEqual(data.reads);
    // For other values it is asked again.
    await page.getByLabel(/^path/).fill("/tmp");
    await expect.poll(() => items.count()).toBe(0);
    expect(calls).toEqual([]);
    expect(faultsOf(one)).toEqual([]);
  });
});

describe("an answer", () => {
  const ask = async (agent = "web-1") => {
    const one = await open();
    await one.go(`/try/${TOOL}?agent=${encodeURIComponent(agent)}`, TOOL);
    await one.page.getByLabel(/^path/).fill("/srv");
    const url = `**/api/v1/tools/${TOOL}/call`;
    const response = one.page.waitForResponse(url);
    await one.page.getByRole("button", { name: "Ask", exact: true }).click();
    const called = (await (await response).json()) as { results: unknown; text: string };
    const sheet = one.page.getByRole("region", { name: "Answer" });
    await sheet.waitFor();
    return { one, called, sheet };
  };

  test("is a table with its units, JSON, and the very text that an AI gets, with about how many tokens", async () => {
    const { one, called, sheet } = await ask();
    const table = sheet.getByRole("table", { name: "shelves" });
    expect(await table.getByRole("row").allTextContents()).toEqual([
      "nameused bytesused percent",
      "top3 GiB91.3 %",
      "low10 B2 %",
    ]);
    expect(await table.locator("svg rect.fill").first().getAttribute("width")).toBe("91.25%");
    expect(await sheet.locator("dl").textContent()).toBe("host timenoonshelf count2");
    const tokens = Math.ceil(called.text.length / 4);
    expect(await sheet.getByRole("status").textContent()).toContain(`About ${tokens} tokens`);
    await sheet.getByRole("radio", { name: "JSON" }).check();
    const json = await sheet.getByLabel("The answer as JSON").textContent();
    expect(JSON.parse(json ?? "")).toEqual(called.results);
    await sheet.getByRole("radio", { name: "As the AI sees it" }).check();
    const text = await sheet.getByLabel("The text that an AI gets").textContent();
    expect(text).toBe(called.text);
    expect(text).toMatch(/<<<data [0-9a-f]{8} of web-1[\s\S]*\ndata [0-9a-f]{8}>>>$/);
    await sheet.getByRole("radio", { name: "Table" }).check();
    await sheet.getByRole("link", { name: /^This call in full/ }).click();
    await one.page.getByRole("heading", { level: 1, name: "One call" }).waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  test("a failure has its code and what to do next, beside what others answered", async () => {
    answer = {
      status: "failure",
      failure: { code: "PERMISSION_NEEDED", message: "expected the group adm" },
    };
    const { one, called, sheet } = await ask();
    const [{ failure }] = called.results as [{ failure: { hint: string } }];
    expect(failure.hint.length).toBeGreaterThan(10);
    const shown = sheet.getByRole("region", { name: "web-1" }).getByRole("alert");
    expect(await shown.textContent()).toContain("PERMISSION_NEEDED expected the group adm");
    expect(await shown.textContent()).toContain(failure.hint);
    expect(await one.findViolations()).toEqual([]);
    expect(faultsOf(one)).toEqual([]);
  });

  test("a question of the hub itself reads nothing on a host", async () => {
    const one = await open();
    const { page } = one;
    await one.go("/try/agent_overview", "agent_overview");
    await page.getByText("The hub answers this itself.").waitFor();
    // Of several hosts it has to be told which, and says so.
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    const sheet = page.getByRole("region", { name: "Answer" });
    await sheet.getByRole("alert").getByText("AGENT_UNKNOWN").waitFor();
    await page.getByLabel("Hosts", { exact: true }).fill("web-1");
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await sheet.getByRole("region", { name: "web-1" }).waitFor();
    expect(calls).toEqual([]);
    expect(faultsOf(one)).toEqual([]);
  });
});

test("attack 38: words of a tool and of an answer are shown as such, and nothing of them runs", async () => {
  answer = {
    data: {
      hostTime: EVIL,
      shelfCount: 1,
      shelves: [{ name: EVIL, usedBytes: 1, usedPercent: 1e9 }],
    },
  };
  const one = await open();
  const { page } = one;
  await one.go("/try", "Try it");
  await page.getByRole("link", { name: "acme__shop_evil" }).click();
  await page.getByRole("heading", { level: 1, name: "acme__shop_evil" }).waitFor();
  await page.getByLabel("Hosts", { exact: true }).fill("web-1");
  const look = async (least: number) => {
    const text = (await page.locator("main").textContent()) ?? "";
    expect(text).not.toContain("\u202e");
    expect(text.split("onerror=").length - 1).toBeGreaterThanOrEqual(least);
    expect(await page.locator("img, main script, iframe, object").count()).toBe(0);
  };
  // The description of the tool, of its field, and a choice of it.
  await look(3);
  await page.getByLabel(/^what/).selectOption({ index: 1 });
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  const sheet = page.getByRole("region", { name: "Answer" });
  await sheet.waitFor();
  await look(5);
  // A share beyond all bounds is drawn within them.
  expect(await sheet.locator("svg rect.fill").first().getAttribute("width")).toBe("100%");
  for (const view of ["JSON", "As the AI sees it"]) {
    await sheet.getByRole("radio", { name: view }).check();
    await look(5);
  }
  await one.go(`/try/${encodeURIComponent(EVIL)}`, EVIL.replace("\u202e", "\\u202e"));
  await one.go(`/try?agent=${encodeURIComponent(EVIL)}&q=${encodeURIComponent(EVIL)}`, "Try it");
  await page.getByText("No question fits.").waitFor();
  await look(1);
  expect(faultsOf(one)).toEqual([]);
});

test.each([
  ["a phone, in the dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
  ["a wide screen, in the light", { viewport: { width: 2560, height: 1440 } }],
])("%s: it fits, and axe-core finds nothing", { timeout: 240_000 }, async (_what, options) => {
  const one = await open(undefined, options);
  const { page } = one;
  for (const [path, title] of [
    ["/try", "Try it"],
    ["/try/none", "none"],
    ["/try/diagnose", "diagnose"],
    [`/try/${TOOL}?agent=web-1`, TOOL],
  ] as const) {
    await one.go(path, title);
    await expect.poll(() => page.getByText("Reading").count()).toBe(0);
    expect([path, await one.findViolations()]).toEqual([path, []]);
    expect([path, await one.isTooWide()]).toEqual([path, false]);
  }
  await page.getByLabel(/^path/).fill("/srv");
  await page.getByRole("button", { name: "What would it read?" }).click();
  await page.getByRole("region", { name: "What it would read" }).getByRole("listitem").waitFor();
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  const sheet = page.getByRole("region", { name: "Answer" });
  for (const view of ["Table", "JSON", "As the AI sees it"]) {
    await sheet.getByRole("radio", { name: view }).check();
    expect([view, await one.findViolations()]).toEqual([view, []]);
    expect([view, await one.isTooWide()]).toEqual([view, false]);
  }
  expect(faultsOf(one)).toEqual([]);
});
