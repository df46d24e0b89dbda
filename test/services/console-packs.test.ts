import type { TrustedSigners } from "@sonde/schemas/trust";
import type { PackReport } from "@sonde/schemas/wire";
import { buildSampleManifest } from "@sonde/trust/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type Account, invite, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { buildConsole } from "../../hub/web/src/build-console.ts";
import { addTestPublisher } from "../../registry/src/testing/test-publisher.ts";
import { TestRegistry } from "../../registry/src/testing/test-registry.ts";
import {
  type ConsoleHost,
  faultsOf,
  type OpenedConsole,
  startConsoleHost,
} from "../product/console-host.ts";
import { type LyingRegistry, startLyingRegistry } from "../product/lying-registry.ts";
import { type PlayedActs, type PlayedAgent, playAgent } from "../product/played-agent.ts";

// The page of packs in Chromium, with a hub that runs, a real registry behind one that can lie, and
// agents that the test plays. To verify an archive takes long on a busy machine.

const PATIENT = { timeout: 300_000 };
const WAIT_MS = 60_000;
/** For what the page does by itself. */
const SOON = { timeout: 15_000 };

let registry: TestRegistry;
let between: LyingRegistry;
let hub: TestHub;
let host: ConsoleHost;
let owner: Account;
const agents: PlayedAgent[] = [];
const opened: OpenedConsole[] = [];

beforeAll(async () => {
  registry = await TestRegistry.start();
  between = await startLyingRegistry(registry.at(""));
  await publishAll();
  const { body } = await registry.read("/api/v1/packs/acme/shop/1.0.0/details");
  const { trust } = body as { trust: TrustedSigners };
  const policy = { registry: between.url, logKey: registry.logKey, publishers: { acme: trust } };
  [hub, host] = await Promise.all([
    startHub(undefined, {}, { policy, console: await buildConsole() }),
    startConsoleHost(),
  ]);
  owner = await makeOwner(hub);
  await hub.ask("POST", "/agents/web-1/tags", { set: ["role=web"], remove: [] });
  await play("web-1", hub.agent);
  for (const name of ["web-2", "web-3"]) {
    const enrolled = await hub.enrol(name, ["role=web"]);
    // Another process enrolled it: the hub hears of it.
    const known = async () => (await hub.ask("GET", `/agents/${name}`)).code;
    await vi.waitFor(async () => expect(await known()).toBe(200), 60_000);
    await play(name, enrolled);
  }
}, 300_000);
afterEach(async () => {
  between.lie(() => null);
  for (const one of opened.splice(0)) await one.close();
});
afterAll(async () => {
  for (const agent of agents) agent.close();
  await host?.close();
  await hub?.close();
  await between?.close();
  await registry?.close();
});

/** A pack whose second version asks for more, one that somebody advises against, and a stranger's. */
async function publishAll(): Promise<void> {
  const acme = await addTestPublisher(registry, "acme");
  await acme.publish("shop", "1.0.0", { manifest: { description: "The load of a shop." } });
  const { sources, requires, probes } = buildSampleManifest();
  const { greet } = probes;
  if (greet === undefined) throw new Error("expected the sample's probe");
  const conf = { kind: "file", path: "/etc/shop.conf", timeoutMs: 500, maxBytes: 4096 } as const;
  await acme.publish("shop", "1.1.0", {
    manifest: {
      description: "The load of a shop.",
      sources: { ...sources, conf },
      requires: { ...requires, files: [conf.path, ...requires.files] },
      probes: { greet, settings: { ...greet, reads: { conf: { source: "conf" } } } },
    },
  });
  await acme.publish("till", "1.0.0", { manifest: { description: "Counts what is in a till." } });
  const rival = await addTestPublisher(registry, "rival");
  await rival.publish("shop", "1.0.0", { manifest: { description: "Another shop." } });
  const answers = [
    await acme.say("till/deprecation", { message: "Use acme/shop." }),
    await acme.say("till/advisories/ACME-1", {
      ...{ range: "*", severity: "moderate", text: "It reads too often.", withdrawn: false },
    }),
    await acme.say("till/1.0.0/yank", { yanked: true, reason: "It counts twice." }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
}

/** How each agent takes what it is ordered; by default it verifies it and waits for a person. */
const takes = new Map<string, NonNullable<PlayedActs["take"]>>();
const report = (
  { name, version, digest }: Pick<PackReport, "name" | "version" | "digest">,
  state: PackReport["state"],
  reason: PackReport["reason"] = null,
): PackReport => ({
  ...{ name, version, digest, state, reason, signer: null, approved: null },
  probes: state === "active" ? ["greet"] : [],
});

async function play(name: string, of: TestHub["agent"]): Promise<void> {
  const take: NonNullable<PlayedActs["take"]> = async (ordered) =>
    (await takes.get(name)?.(ordered)) ?? report(ordered, "pending");
  agents.push(await playAgent(hub, { name }, { name }, of, { take }));
}

async function open(
  who: { cookie?: string; key?: string } = { cookie: owner.cookie },
  options = {},
): Promise<OpenedConsole> {
  const one = await host.open(`http://localhost:${hub.ready.http}`, who, options);
  one.page.setDefaultTimeout(WAIT_MS);
  opened.push(one);
  return one;
}
const desiredOf = async (agent: string): Promise<string[]> => {
  const { answer } = await hub.ask("GET", `/agents/${agent}`);
  const desired = answer["desired"] as { name: string; version: string }[];
  return desired.map(({ name, version }) => `${name} ${version}`);
};

describe("the registry", () => {
  test("packs are listed with what they may reach, and found by words that the address keeps", async () => {
    const one = await open();
    const { page } = one;
    await one.go("/packs", "Packs");
    const list = page.getByRole("list", { name: "Packs" });
    const till = list.getByRole("listitem").filter({ hasText: "acme/till" });
    await till.getByText("every version withdrawn").waitFor();
    await till.getByText("advisory: moderate").waitFor();
    await till.getByText("deprecated").waitFor();
    const shop = list.getByRole("listitem").filter({ hasText: "acme/shop" });
    await shop.getByText("only looks").waitFor();
    await shop.getByText("files: 2").waitFor();
    await page.getByRole("searchbox").fill("counts till");
    await expect.poll(() => page.url()).toContain("q=counts+till");
    await shop.waitFor({ state: "detached" });
    await page.getByRole("searchbox").fill("qqqxyz");
    await page.getByText("No pack fits these words.").waitFor();
    await page.getByRole("link", { name: "Show all packs" }).click();
    await shop.waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  test("what does not fit on one page follows on demand", async () => {
    between.lie((path, body) => {
      if (!/^\/api\/v1\/packs\?limit=30$/.test(path)) return null;
      const { packs } = JSON.parse(body.toString()) as { packs: { name: string }[] };
      return Buffer.from(JSON.stringify({ packs: packs.slice(0, 1), cursor: packs[0]?.name }));
    });
    const one = await open();
    // What was asked a moment ago is answered as then.
    await expect
      .poll(
        async () => {
          const { answer } = await hub.ask("GET", "/registry/packs?limit=30");
          return (answer["packs"] as unknown[]).length;
        },
        { timeout: WAIT_MS },
      )
      .toBe(1);
    await one.go("/packs", "Packs");
    const items = one.page.getByRole("list", { name: "Packs" }).getByRole("heading");
    await expect.poll(() => items.count(), { timeout: WAIT_MS }).toBe(1);
    await one.page.getByRole("button", { name: "More packs" }).click();
    await expect.poll(() => items.count(), { timeout: WAIT_MS }).toBe(3);
    expect(faultsOf(one)).toEqual([]);
  });

  test("a version tells every read in words and exactly, what it asks for anew, and what this hub knows", async () => {
    const one = await open();
    const { page } = one;
    await one.go("/packs/acme/shop", "acme/shop");
    const reads = page.getByRole("list", { name: "Reads" });
    await reads.waitFor();
    const { answer } = await hub.ask("GET", "/registry/packs/acme/shop/1.1.0");
    const { said, logged } = answer as {
      said: { permissions: { reads: { words: string; exact: string }[] }; digest: string };
      logged: { index: number; head: { size: number } };
    };
    expect(said.permissions.reads).toHaveLength(2);
    const text = await reads.textContent();
    for (const { words, exact } of said.permissions.reads) {
      expect(text).toContain(words);
      expect(text).toContain(exact);
    }
    const anew = page.getByRole("region", { name: "What it may read" });
    expect(await anew.textContent()).toMatch(/Beside 1\.0\.0New\/etc\/shop\.conf/);
    const proof = page.getByRole("region", { name: "What this hub knows" });
    await proof.getByText("trusted", { exact: true }).waitFor();
    await proof
      .getByText(`Entry ${logged.index} of ${logged.head.size}, the same archive`)
      .waitFor();
    await proof.getByText(said.digest).waitFor();
    await proof.getByText("not fetched yet").waitFor();
    await page
      .getByRole("region", { name: "Versions" })
      .getByRole("link", { name: "1.0.0", exact: true })
      .click();
    await expect.poll(() => page.url()).toMatch(/\/packs\/acme\/shop\/1\.0\.0$/);
    await expect.poll(() => reads.getByRole("listitem").count()).toBe(1);
    expect(faultsOf(one)).toEqual([]);
  });

  test("what was said against a version stands above all else of it", async () => {
    const one = await open();
    await one.go("/packs/acme/till/1.0.0", "acme/till");
    const warnings = one.page.getByRole("list", { name: "Warnings" });
    await warnings.waitFor();
    const text = await warnings.textContent();
    for (const said of [
      ...["Advisory ACME-1, moderate.", "It reads too often."],
      ...["Yanked.", "It counts twice.", "Deprecated.", "Use acme/shop."],
    ]) {
      expect(text).toContain(said);
    }
    expect(faultsOf(one)).toEqual([]);
  });

  test("attack 69: a registry that shows another archive than its log has is refused in so many words", async () => {
    between.lie((path, body) => {
      if (!path.endsWith("/acme/shop/1.0.0/details")) return null;
      const other = `sha256:${"0".repeat(64)}`;
      return Buffer.from(
        JSON.stringify({ ...(JSON.parse(body.toString()) as object), digest: other }),
      );
    });
    // The hub answers for a moment as it did before.
    const until = async (code: unknown): Promise<void> => {
      const ask = async () => (await hub.ask("GET", "/registry/packs/acme/shop/1.0.0")).code;
      await expect.poll(ask, { timeout: WAIT_MS }).toBe(code);
    };
    const one = await open();
    await until("REGISTRY_LOG_INCONSISTENT");
    await one.go("/packs/acme/shop/1.0.0", "acme/shop");
    await one.page.getByRole("alert").getByText("REGISTRY_LOG_INCONSISTENT").waitFor();
    // Nothing of what it says is shown, and nothing can be installed from here.
    expect(await one.page.getByRole("list", { name: "Reads" }).count()).toBe(0);
    expect(await one.page.getByRole("button", { name: "Install" }).count()).toBe(0);
    expect(faultsOf(one)).toEqual([]);
    between.lie(() => null);
    await until(200);
  });

  test("a registry that is down is said to be, and is never an empty list", PATIENT, async () => {
    const one = await open();
    await registry.stop("SIGTERM");
    await one.go("/packs?q=while-it-is-down", "Packs");
    await one.page.getByRole("alert").getByText("REGISTRY_UNAVAILABLE").waitFor(SOON);
    expect(await one.page.getByText("No pack fits these words.").count()).toBe(0);
    await registry.start();
    await one.page.getByRole("button", { name: "Try again" }).click();
    await one.page.getByText("No pack fits these words.").waitFor();
    expect(faultsOf(one)).toEqual([]);
  });
});

describe("an installation", () => {
  test(
    "it goes host by host, is shown live, and stops at the first that does not take it",
    PATIENT,
    async () => {
      const one = await open();
      const { page } = one;
      const gate = Promise.withResolvers<void>();
      takes.set("web-1", async (ordered) => {
        await gate.promise;
        return report(ordered, "active");
      });
      const reason = { code: "DIGEST_MISMATCH", message: "expected another archive" };
      takes.set("web-2", (ordered) => Promise.resolve(report(ordered, "failed", reason)));
      await one.go("/packs/acme/shop/1.0.0", "acme/shop");
      await page.getByRole("button", { name: "Install" }).click();
      const sheet = page.getByRole("region", { name: "Install acme/shop 1.0.0" });
      await sheet.getByRole("button", { name: "Install it" }).click();
      await sheet.getByText("Name at least one host.").waitFor();
      await sheet.getByLabel("Hosts", { exact: true }).fill("role=none");
      await sheet.getByRole("button", { name: "Install it" }).click();
      await sheet.getByText("Nothing is called role=none.").waitFor(SOON);
      expect(await desiredOf("web-1")).toEqual([]);
      await sheet.getByLabel("Hosts", { exact: true }).fill("role=web");
      await sheet.getByText("3 hosts: web-1, web-2, web-3").waitFor();
      await sheet.getByRole("button", { name: "Install it" }).click();
      // The first has it and has not decided: the others are as they were.
      await sheet.getByText("Now it is on 0 of 3 hosts.").waitFor();
      await sheet.getByRole("row", { name: "web-1 ordered" }).waitFor();
      expect([await desiredOf("web-1"), await desiredOf("web-2")]).toEqual([
        ["acme/shop 1.0.0"],
        [],
      ]);
      expect(await one.findViolations()).toEqual([]);
      gate.resolve();
      await sheet.getByRole("row", { name: "web-2 failed DIGEST_MISMATCH" }).waitFor();
      await sheet.getByText("Stopped, since a host does not take it").waitFor(SOON);
      await sheet.getByRole("row", { name: "web-1 active" }).waitFor();
      await sheet.getByRole("row", { name: "web-3 not yet" }).waitFor();
      expect(await desiredOf("web-3")).toEqual([]);
      // The hub verified the archive before it gave it to anybody.
      await page.reload();
      await page
        .getByRole("region", { name: "What this hub knows" })
        .getByText("verified", { exact: true })
        .waitFor();
      const on = page.getByRole("region", { name: "On hosts" });
      await on.getByRole("listitem").filter({ hasText: "web-1 1.0.0 active" }).waitFor();
      const questions = page.getByRole("region", { name: "Questions it answers" });
      await questions.getByRole("link", { name: "Try it with acme/shop.greet" }).waitFor();
      expect(faultsOf(one)).toEqual([]);
    },
  );

  test("it is done when every host has taken it", PATIENT, async () => {
    const one = await open();
    const { page } = one;
    takes.clear();
    await one.go("/packs/acme/shop/1.1.0?on=web-3", "acme/shop");
    const sheet = page.getByRole("region", { name: "Install acme/shop 1.1.0" });
    // A link fills the form in. It never installs.
    expect(await sheet.getByLabel("Hosts", { exact: true }).inputValue()).toBe("web-3");
    expect(await desiredOf("web-3")).toEqual([]);
    await sheet.getByRole("button", { name: "Install it" }).click();
    await sheet.getByText("Done: it is on 1 of 1 host.").waitFor();
    await sheet.getByRole("row", { name: /web-3 pending Somebody has to allow/ }).waitFor();
    expect(await desiredOf("web-3")).toEqual(["acme/shop 1.1.0"]);
    expect(faultsOf(one)).toEqual([]);
  });

  test(
    "a pack that the hub refuses is shown with why, and no host is changed",
    PATIENT,
    async () => {
      const one = await open();
      const { page } = one;
      await one.go("/packs/rival/shop", "rival/shop");
      const proof = page.getByRole("region", { name: "What this hub knows" });
      await proof.getByText("SIGNER_UNTRUSTED").waitFor();
      await page.getByRole("button", { name: "Install" }).click();
      const sheet = page.getByRole("region", { name: "Install rival/shop 1.0.0" });
      await sheet.getByLabel("Hosts", { exact: true }).fill("web-1");
      await sheet.getByRole("button", { name: "Install it" }).click();
      await sheet.getByRole("alert").getByText("SIGNER_UNTRUSTED").waitFor();
      await sheet.getByText("It was given to no host.").waitFor();
      expect((await desiredOf("web-1")).join()).not.toContain("rival/shop");
      expect(faultsOf(one)).toEqual([]);
    },
  );

  test("who may not install sees the pack, and no act", async () => {
    const auditor = await invite(hub, owner, "auditor", "grace");
    const one = await open({ cookie: auditor.cookie });
    await one.go("/packs/acme/shop?on=web-1", "acme/shop");
    await one.page.getByRole("list", { name: "Reads" }).waitFor();
    expect(await one.page.getByRole("button", { name: /Install/ }).count()).toBe(0);
    const { key } = await hub.addKey({ role: "client", agents: "*", probes: "*" });
    const client = await open({ key });
    await client.go("/", "Fleet");
    await client.page.getByRole("link", { name: "Try it" }).waitFor();
    // All pages are named until the hub has said who asks.
    await expect.poll(() => client.page.getByRole("link", { name: "Packs" }).count()).toBe(0);
    expect([...faultsOf(one), ...faultsOf(client)]).toEqual([]);
  });
});

/** What a publisher, or a registry, may write anywhere: markup, an end of a script, a hidden turn. */
const EVIL = `<img src=x onerror="alert(1)"></script><script>alert(2)</script>\u202e{{7*7}}`;
const FREE = new Set([
  ...["description", "license", "agents", "signedBy", "provenance", "text", "words", "exact"],
  ...["deprecated", "yanked"],
]);

/** Puts hostile words in place of all that is free text in an answer of the registry. */
function poison(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) {
    if (name === "warnings" || name === "reads") {
      return value.length === 0 && name === "warnings"
        ? [EVIL]
        : value.map((one) => (typeof one === "string" ? EVIL : poison(one)));
    }
    return value.map((one) => poison(one));
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, poison(one, key)]));
  }
  if (name === "repository") return "javascript:alert(3)";
  return FREE.has(name) && (typeof value === "string" || name === "deprecated") ? EVIL : value;
}

test("attack 38: nothing that a registry or a publisher says runs, loads or leads anywhere", async () => {
  between.lie((path, body) =>
    path.startsWith("/api/v1/") && !/archive|bundle/.test(path)
      ? Buffer.from(JSON.stringify(poison(JSON.parse(body.toString()))))
      : null,
  );
  const one = await open();
  const { page } = one;
  // What was asked a moment ago is answered as then.
  for (const path of ["?limit=30", "/acme/till", "/acme/till/1.0.0"]) {
    await expect
      .poll(async () => JSON.stringify((await hub.ask("GET", `/registry/packs${path}`)).answer), {
        timeout: WAIT_MS,
      })
      .toContain("onerror");
  }
  let shown = 0;
  for (const [path, title] of [
    ["/packs", "Packs"],
    ["/packs/acme/till/1.0.0", "acme/till"],
    [`/packs/${encodeURIComponent(EVIL)}/x`, `${EVIL.replace("\u202e", "\\u202e")}/x`],
    [`/packs?q=${encodeURIComponent(EVIL)}`, "Packs"],
  ] as const) {
    await one.go(path, title);
    await expect.poll(() => page.getByText("Reading").count()).toBe(0);
    const text = (await page.locator("body").textContent()) ?? "";
    expect([path, text.includes("\u202e")]).toEqual([path, false]);
    shown += text.split("onerror=").length - 1;
    const elements = await page.locator("img, main script, iframe, object").count();
    expect([path, elements]).toEqual([path, 0]);
    const links = await page
      .locator("a[href]")
      .evaluateAll((all) => all.map((link) => link.getAttribute("href") ?? ""));
    expect(links.filter((link) => !/^(\/console\/|#|https:|mailto:)/.test(link))).toEqual([]);
  }
  // Descriptions, reads in words and exactly, an advisory, a signer, a license, a warning, a title.
  expect(shown).toBeGreaterThan(10);
  expect(faultsOf(one)).toEqual([]);
});

test.each([
  ["a phone, in the dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
  ["a wide screen, in the light", { viewport: { width: 2560, height: 1440 } }],
])("%s: each page of packs fits, and axe-core finds nothing", PATIENT, async (_what, options) => {
  const one = await open(undefined, options);
  for (const [path, title] of [
    ["/packs", "Packs"],
    ["/packs?q=qqqxyz", "Packs"],
    ["/packs/acme/shop?on=web-1", "acme/shop"],
    ["/packs/acme/till/1.0.0", "acme/till"],
    ["/packs/acme/none", "acme/none"],
  ] as const) {
    await one.go(path, title);
    await expect.poll(() => one.page.getByText("Reading").count(), { timeout: WAIT_MS }).toBe(0);
    expect([path, await one.findViolations()]).toEqual([path, []]);
    expect([path, await one.isTooWide()]).toEqual([path, false]);
  }
  expect(faultsOf(one)).toEqual([]);
});
