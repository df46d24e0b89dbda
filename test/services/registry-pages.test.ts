import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPack } from "@sonde/pack-sdk/build";
import { parseSignerPolicy } from "@sonde/schemas/trust";
import { verifyPack } from "@sonde/trust/pack";
import { buildSampleManifest, createSampleKey, signSample } from "@sonde/trust/testing";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPackProgram } from "../../cli/src/pack/program.ts";
import { startBrowser } from "../../registry/src/testing/browser.ts";
import { addTestPublisher } from "../../registry/src/testing/test-publisher.ts";
import { TestRegistry, signUpload } from "../../registry/src/testing/test-registry.ts";

// The registry's pages in Chromium, with the packs of this repository, signed and published as by
// anybody. SONDE_PICTURES=docs/pictures writes the pictures of the documents there.

const packs = join(import.meta.dirname, "../../packs");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const kept = mkdtempSync(join(tmpdir(), "sonde-pictures-"));
const pictures = process.env["SONDE_PICTURES"] ?? kept;

const sonde = createSampleKey();
const archives = new Map<string, Uint8Array>();
let registry: TestRegistry;
let browser: Browser;

beforeAll(async () => {
  [registry, browser] = await Promise.all([TestRegistry.start(), startBrowser()]);
  const { body } = await registry.operate("POST", "/publishers", {
    ...{ name: "sonde", publicKey: sonde.publicKeyPem, takesReserved: true },
  });
  const { token } = body as { token: string };
  for (const folder of readdirSync(packs)) {
    const { archive, manifest } = await buildPack(join(packs, folder));
    archives.set(manifest.name, archive);
    const path = `${manifest.name}/${manifest.version}`;
    const answer = await registry.publish(signUpload(archive, path, sonde, token));
    expect([path, answer.status]).toEqual([path, 201]);
  }
  await publishVersions();
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await registry?.close();
  rmSync(kept, { recursive: true });
});

/** A pack of another publisher with two versions that differ, and what was said of it. */
async function publishVersions(): Promise<void> {
  const acme = await addTestPublisher(registry, "acme");
  const { greet } = buildSampleManifest().probes;
  if (greet === undefined) throw new Error("expected the sample's probe");
  const limits = { timeoutMs: 500, maxBytes: 4096 };
  const limit = { type: "integer", minimum: 1, maximum: 100, description: "How many." } as const;
  const params = (properties: object) =>
    ({
      type: "object",
      properties,
      required: [],
      additionalProperties: false,
    }) as typeof greet.params;
  const conf = { kind: "file" as const, path: "/etc/nginx/nginx.conf", ...limits };
  const load = { kind: "file" as const, path: "/proc/loadavg", ...limits };
  const about = { description: "The load and the settings of a shop's web servers." };
  await acme.publish("shop", "1.0.0", {
    manifest: { ...about, probes: { load: { ...greet, params: params({}) } } },
    readme: "# Shop\n\nWhat a shop's web servers do.\n\n- the load\n",
  });
  await acme.publish("shop", "1.1.0", {
    manifest: {
      ...about,
      sources: { load, conf },
      requires: { groups: ["adm"], commands: [], files: [conf.path, load.path], sockets: [] },
      probes: {
        load: {
          ...greet,
          ...{ description: "Says what the load is, and since when.", params: params({ limit }) },
        },
        settings: {
          ...greet,
          ...{
            description: "Says how the web server is set.",
            reads: { conf: { source: "conf" } },
          },
        },
      },
    },
    readme: "# Shop\n\nWhat a shop's web servers do.\n\n- the load, over time\n- the settings\n",
  });
  await acme.publish("till", "1.0.0", { manifest: { description: "Counts what is in a till." } });
  await acme.publish("till", "1.1.0", { manifest: { description: "Counts what is in a till." } });
  const answers = [
    await acme.say("till/deprecation", { message: "Use acme/shop." }),
    await acme.say("till/1.0.0/yank", { yanked: true, reason: "It counts twice." }),
    await acme.say("till/advisories/ACME-1", {
      ...{ range: "*", severity: "high", text: "It reads too often.", withdrawn: false },
    }),
    await registry.operate("PUT", "/api/v1/packs/acme/till/1.0.0/quarantine", {
      ...{ quarantined: true, reason: "It reads what it should not." },
    }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
}

type Options = { width?: number; dark?: boolean; height?: number };

/** Opens a page without scripts of its own, as every page has to work. */
async function open(path: string, { width = 1280, dark = false, height = 900 }: Options = {}) {
  const page = await browser.newPage({
    ...{ viewport: { width, height }, colorScheme: dark ? "dark" : "light" },
  });
  const signs: string[] = [];
  page.on("console", (message) => {
    // What a refusal says is on the page.
    if (!message.text().startsWith("Failed to load resource")) signs.push(message.text());
  });
  page.on("pageerror", (error) => signs.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(registry.at("/"))) signs.push(request.url());
  });
  await page.goto(registry.at(path));
  return { page, signs };
}

type Violation = { id: string; nodes: { html: string }[] };
/** @param rules by default all */
async function findViolations(page: Page, rules?: string[]): Promise<string[]> {
  await page.evaluate(axe);
  const run = `axe.run(document, ${JSON.stringify(rules === undefined ? {} : { runOnly: rules })})`;
  const { violations } = await page.evaluate<{ violations: Violation[] }>(run);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
const isTooWide = (page: Page): Promise<boolean> =>
  page.evaluate<boolean>(
    "document.documentElement.scrollWidth > document.documentElement.clientWidth",
  );

const DIFFERENCE = "/packs/acme/shop/difference?from=1.0.0&to=1.1.0";
const PAGES: readonly string[] = [
  ...["/", "/?q=disk&category=files&sort=name", "/?q=qqqxyz", "/?q=sistem"],
  ...["/?q=disk&category=redis", "/badges", "/publishers/acme"],
  ...["/packs/sonde/docker", "/packs/acme/till", "/packs/acme/till/1.0.0"],
  ...[DIFFERENCE, "/packs/acme/none"],
];

test.each(PAGES)(
  "%s is without a violation of axe-core's rules, and fits from 390 to 2560 px",
  async (path) => {
    const { page, signs } = await open(path, { width: 390 });
    const violations = await findViolations(page);
    await page.emulateMedia({ colorScheme: "dark" });
    violations.push(...(await findViolations(page, ["color-contrast"])));
    const wide: number[] = [];
    for (const width of [390, 820, 1280, 2560]) {
      await page.setViewportSize({ width, height: 900 });
      if (await isTooWide(page)) wide.push(width);
    }
    expect([violations, wide, signs]).toEqual([[], [], []]);
    await page.close();
  },
);

const shown = async (page: Page): Promise<string[]> =>
  (await page.locator(".card h3").allTextContents()).map((text) => text.trim());

test("a reader without scripts browses by what is read, by program and by order, with the keyboard", async () => {
  const context = await browser.newContext({
    ...{ javaScriptEnabled: false, viewport: { width: 390, height: 800 } },
  });
  const page = await context.newPage();
  await page.goto(registry.at("/"));
  const filter = page.getByRole("navigation", { name: "Filters" });
  const sql = filter.getByRole("link", { name: /^SQL/ });
  const promised = Number(await sql.locator(".count").textContent());
  await sql.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL("**/?category=sql");
  expect(await shown(page)).toHaveLength(promised);
  expect((await shown(page)).sort()).toEqual(["sonde/mysql", "sonde/postgres"]);
  await filter.getByRole("link", { name: /^PostgreSQL/ }).click();
  expect(await shown(page)).toEqual(["sonde/postgres"]);
  // A search stays within the filters.
  await page.locator("#q").fill("mysql");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
  await page.getByRole("link", { name: /program: PostgreSQL/ }).click();
  await page.waitForURL("**/?q=mysql&category=sql");
  expect(await shown(page)).toEqual(["sonde/mysql"]);
  await page.goto(registry.at("/?category=files"));
  await page
    .getByRole("navigation", { name: "Order" })
    .getByRole("link", { name: "Name", exact: true })
    .click();
  await page.waitForURL("**/?category=files&sort=name");
  const names = await shown(page);
  expect(names).toEqual(names.toSorted());
  expect(names).toContain("sonde/system");
  await context.close();
});

test("the packs of this repository are found by what their sources read", async () => {
  const { body } = await registry.read("/api/v1/search?publisher=sonde&sort=name&limit=100");
  const { packs: listed } = body as {
    packs: { name: string; reach: { reads: { category: string }[]; engines: string[] } }[];
  };
  const facts = listed.map(({ name, reach }) => [
    name.slice("sonde/".length),
    [...reach.reads.map(({ category }) => category), "|", ...reach.engines].join(" "),
  ]);
  expect(Object.fromEntries(facts)).toEqual({
    certificates: "files network |",
    docker: "services | docker",
    journal: "journal | systemd",
    logs: "files |",
    mysql: "sql | mysql",
    network: "files commands network |",
    nginx: "files services | nginx",
    postgres: "sql | postgresql",
    redis: "redis | redis",
    system: "files commands | apt chrony systemd",
    systemd: "files commands | systemd",
  });
});

test("a badge has words and leads to what it means; a group that is as good as root is told apart", async () => {
  const { page } = await open("/packs/sonde/docker");
  const badges = page.locator(".pack .badges .badge");
  const root = badges.filter({ hasText: "group docker, as good as root" });
  expect(await root.count()).toBe(1);
  for (const badge of await badges.all()) {
    const text = ((await badge.textContent()) ?? "").trim();
    expect(text).toMatch(/[a-z]{3}/i);
    const href = (await badge.getAttribute("href")) ?? "";
    expect(href).toMatch(/^\/(badges#|\?engine=)/);
    const target = await browser.newPage();
    expect((await target.goto(registry.at(href)))?.status()).toBe(200);
    const [, place] = href.split("#");
    if (place !== undefined) expect(await target.locator(`[id="${place}"]`).count()).toBe(1);
    await target.close();
  }
  await page.close();
});

test("install lines are selected as a whole by a click, and the line of trust makes a host accept the pack", async () => {
  const { page } = await open("/packs/sonde/system");
  const lines = page.locator("section:has(#install) .command");
  const selected: string[] = [];
  for (const line of await lines.all()) {
    await line.click();
    selected.push((await page.evaluate<string>("getSelection().toString()")).trim());
  }
  const version = await page.locator("h1 .version").textContent();
  const trust = selected.pop();
  expect(selected).toEqual([
    `sonde packs install sonde/system@^${version} --on role=web`,
    "sonde-agent approve sonde/system",
  ]);
  const policy = parseSignerPolicy({
    publishers: JSON.parse(`{${trust ?? ""}}`) as object,
    allowUnsignedPacks: false,
  });
  const archive = archives.get("sonde/system") ?? new Uint8Array();
  const request = (key: typeof sonde) => ({
    ...{ archive, bundle: signSample(archive, key), origin: "registry" as const, policy },
  });
  expect((await verifyPack(request(sonde))).manifest.name).toBe("sonde/system");
  await expect(verifyPack(request(createSampleKey()))).rejects.toMatchObject({
    code: "SIGNER_UNTRUSTED",
  });
  await page.close();
});

test("a version that is not the latest is named exactly, and a quarantined one not at all", async () => {
  const commandsOf = async (path: string) => {
    const { page } = await open(path);
    const texts = await page.locator("section:has(#install) .command").allTextContents();
    const marks = (await page.locator(".warnings").first().innerText()).split("\n");
    await page.close();
    return { texts, marks };
  };
  const latest = await commandsOf("/packs/acme/till");
  expect(latest.texts[0]).toContain("acme/till@^1.1.0 ");
  expect(latest.marks.join(" ")).toContain("Advisory ACME-1, high.");
  expect(latest.marks.join(" ")).toContain("Deprecated. Use acme/shop.");
  const stopped = await commandsOf("/packs/acme/till/1.0.0");
  expect(stopped.texts).toEqual([]);
  expect(stopped.marks[0]).toBe(
    "Quarantined. This version is no longer served: It reads what it should not.",
  );
  const older = await open("/packs/acme/shop/1.0.0");
  expect(await older.page.locator("section:has(#install)").innerText()).toContain(
    "acme/shop@1.0.0 ",
  );
  await older.page.close();
});

test("a list says at once what somebody advises against", async () => {
  const { page } = await open("/?q=till");
  expect(await page.locator(".card .marks .badge").allTextContents()).toEqual([
    ...["! advisory: high", "! deprecated"],
  ]);
  await page.close();
});

test("the page of a difference has what is asked for, the words side by side, and the README", async () => {
  const { page } = await open("/packs/acme/shop");
  await page.getByRole("combobox", { name: "From" }).selectOption("1.0.0");
  await page.getByRole("button", { name: "Compare" }).click();
  await page.waitForURL(`**${DIFFERENCE}`);
  const text = await page.locator("main").innerText();
  for (const fact of [
    ...["A grant for 1.0.0 does not cover 1.1.0.", "group adm", "file /etc/nginx/nginx.conf"],
    ...["Says what the load is.", "Says what the load is, and since when."],
    ...["limit", "There is no such question.", "\u2212 - the load", "+ - the settings"],
  ]) {
    expect(text).toContain(fact);
  }
  await page.getByRole("link", { name: "The other way round" }).click();
  expect(await page.locator("main").innerText()).toContain("A grant for 1.1.0 covers 1.0.0.");
  await page.close();
});

test("a publisher's page has its keys by fingerprint, its packs, and what was said of them", async () => {
  const { page } = await open("/publishers/acme");
  const text = await page.locator("main").innerText();
  expect(text).toMatch(/sha256:[0-9a-f]{64}/);
  for (const fact of [
    ...["Quarantined. acme/till 1.0.0: It reads what it should not.", "Deprecated. acme/till"],
    ...["Advisory ACME-1, high.", "registered 20", "RSA key", "4 versions"],
  ]) {
    expect(text).toContain(fact);
  }
  expect((await shown(page)).sort()).toEqual(["acme/shop", "acme/till"]);
  await page.close();
});

/** Runs `sonde-pack` on this registry. */
async function runPack(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const io = {
    ...{ out: (text: string) => out.push(text), err: (text: string) => err.push(text) },
    ...{ env: new Map<string, string | undefined>(), untilStopped: () => AbortSignal.abort() },
  };
  const code = await runPackProgram([...args, "--registry", registry.at("")], io);
  return { code, out: out.join("\n"), err: err.join("\n") };
}

test("sonde-pack search tells of each pack what its badges do, and takes the same filters", async () => {
  const found = await runPack("search", "--engine", "docker");
  expect(found.out.split("\n")[0]).toMatch(
    /^sonde\/docker [0-9.]+ {2}\[only looks \| group docker, as good as root \| Local services [0-9]+\] {2}\(Docker\)$/,
  );
  expect((await runPack("search", "till")).out).toContain("\n  advisory ACME-1, high");
  const sorted = await runPack("search", "--category", "sql", "--sort", "name", "--json");
  const { packs: listed } = JSON.parse(sorted.out) as { packs: { name: string }[] };
  expect(listed.map(({ name }) => name)).toEqual(["sonde/mysql", "sonde/postgres"]);
  const refused = await runPack("search", "--engine", "oracle");
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("postgresql") as string]);
});

test("sonde-pack diff tells what the page of a difference does", async () => {
  const { out, code } = await runPack("diff", "acme/shop", "1.0.0", "1.1.0");
  for (const line of [
    ...[
      "What 1.1.0 asks for, beside 1.0.0:",
      "  + groups: adm",
      "  + files: /etc/nginx/nginx.conf",
    ],
    ...["  + probes: settings", "A grant for 1.0.0 does not cover 1.1.0."],
    ...["What a model reads of acme/shop.load:", "  - Says what the load is."],
    ...["  + Says what the load is, and since when.", "  + - the settings"],
  ]) {
    expect(out.split("\n")).toContain(line);
  }
  expect(code).toBe(0);
  expect((await runPack("diff", "acme/shop", "1.0.0", "9.9.9")).code).toBe(1);
});

test.each([
  ["registry", "/"],
  ["registry-pack", "/packs/sonde/docker"],
  ["registry-difference", DIFFERENCE],
  ["registry-publisher", "/publishers/acme"],
])("a picture for the documents: %s", async (name, path) => {
  const { page } = await open(path, { width: 1280, height: 960 });
  const shot = await page.screenshot({ path: join(pictures, `${name}.png`) });
  // A PNG has its width at offset 16.
  expect([shot.readUInt32BE(16), shot.readUInt32BE(20)]).toEqual([1280, 960]);
  // The document has one of the same size.
  const document = readFileSync(join(import.meta.dirname, `../../docs/pictures/${name}.png`));
  expect([document.readUInt32BE(16), document.readUInt32BE(20)]).toEqual([1280, 960]);
  await page.close();
});
