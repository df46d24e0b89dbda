import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Manifest } from "@sonde/schemas/manifest";
import { buildSampleArchive } from "@sonde/trust/testing";
import {
  type TestSigstore,
  createTestSigstore,
  signKeylessSample,
} from "@sonde/trust/testing/sigstore";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startBrowser } from "../../testing/browser.ts";
import {
  type TestPublisher,
  addTestPublisher,
  buildSampleProbes,
} from "../../testing/test-publisher.ts";
import { TestRegistry, codeOf } from "../../testing/test-registry.ts";

let registry: TestRegistry;
let browser: Browser;
let acme: TestPublisher;
const folder = mkdtempSync(join(tmpdir(), "sonde-pages-"));
chmodSync(folder, 0o755);

const ATTACKS = [
  "<script>window.taken = 1</script>",
  "<img src=x onerror='window.taken = 1'>",
  '"><svg onload="window.taken = 1">',
  "</title></textarea><script>window.taken = 1</script>",
  "'><iframe srcdoc='<script>parent.taken=1</script>'></iframe>",
  "<style>@import url(http://127.0.0.1:9/leak);body{display:none}</style>",
  '<meta http-equiv="refresh" content="0;url=http://127.0.0.1:9/gone">',
  "<base href=http://127.0.0.1:9/><a href=x>",
  "javascript:window.taken=1",
].join(" ");
const README = `# Hostile

${ATTACKS}

[a](javascript:window.taken=1) [b](data:text/html,<script>window.taken=1</script>)
[c](http://127.0.0.1:9/ "x' onmouseover='window.taken=1") ![d](http://127.0.0.1:9/leak.png)
<http://127.0.0.1:9/><javascript:window.taken=1>

    <script>window.taken = 1</script>

~~~"><script>window.taken=1</script>
x
~~~

| a | b |
|---|---|
| <img src=x onerror=window.taken=1> | ok |
`;

/** The names in a certificate: printable characters without spaces, which suffice for an attack. */
const SIGNER = {
  issuer: `https://issuer.example/"><img/src=x/onerror="window.taken=1">`,
  identity: `https://example.com/'"><svg/onload="window.taken=1"><script>window.taken=1</script>`,
  repositoryId: "7",
};
/** A text about a version, distinct for each use. */
const said = (by: string): string => `${by} says ${ATTACKS}`;

/** Publishes a pack with every text that a publisher can bring onto a page. */
async function publishHostile(sigstore: TestSigstore): Promise<void> {
  const text = ATTACKS.slice(0, 300);
  const manifest = {
    description: text,
    license: "<i>MIT</i>",
    repository: "https://example.com/'><script>window.taken=1</script>",
    probes: buildSampleProbes("greet", `${text}.`),
  };
  await acme.publish("hostile", "1.0.0", { manifest, readme: README });
  // What differs between the two versions is as hostile.
  const { greet } = buildSampleProbes("greet", `Now ${text}.`);
  const limit = { type: "integer", description: text } as const;
  const params = { type: "object", properties: { limit }, required: [] } as const;
  const more = {
    manifest: {
      ...manifest,
      ...{ name: "acme/hostile", version: "1.1.0", description: `Now ${text}`.slice(0, 300) },
      ...(greet && {
        probes: { greet: { ...greet, params: { ...params, additionalProperties: false } } },
      }),
    } as Partial<Manifest>,
    readme: `${ATTACKS}\n${README}`,
  };
  const archive = buildSampleArchive(more);
  const bundle = await signKeylessSample(sigstore, archive, SIGNER);
  const added = await registry.operate("POST", "/identities", { publisher: "acme", ...SIGNER });
  expect(added.status).toBe(200);
  const path = "acme/hostile/1.1.0";
  const answer = await registry.publish({ archive, bundle, bearer: acme.token, path });
  expect(answer).toMatchObject({ status: 201 });
  const yanked = { yanked: true, reason: said("yank") };
  const advisory = { range: "<1.2.0", severity: "low", text: said("advisory"), withdrawn: false };
  const quarantined = { quarantined: true, reason: said("quarantine") };
  const answers = [
    await acme.say("hostile/1.1.0/yank", yanked),
    await acme.say("hostile/deprecation", { message: said("deprecation") }),
    await acme.say("hostile/advisories/ACME-1", advisory),
    await registry.operate("PUT", "/api/v1/packs/acme/hostile/1.1.0/quarantine", quarantined),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
}

beforeAll(async () => {
  const sigstore = await createTestSigstore();
  const trustedRootFile = join(folder, "trusted-root.json");
  writeFileSync(trustedRootFile, JSON.stringify(sigstore.trustedRoot), { mode: 0o644 });
  registry = await TestRegistry.start({ trustedRootFile });
  browser = await startBrowser();
  acme = await addTestPublisher(registry, "acme");
  const readme = "# Plain\n\nA table of loads.\n";
  await acme.publish("plain", "1.0.0", {
    manifest: { description: "Says how a host is." },
    readme,
  });
  await publishHostile(sigstore);
}, 180_000);
afterAll(async () => {
  await browser?.close();
  await registry?.close();
  rmSync(folder, { recursive: true });
});

/** Opens a page and records every sign of an attack that worked. */
async function open(path: string, options = {}): Promise<{ page: Page; signs: string[] }> {
  const page = await browser.newPage(options);
  const signs: string[] = [];
  page.on("dialog", (dialog) => {
    signs.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => signs.push(`console ${message.text()}`));
  page.on("pageerror", (error) => signs.push(`error ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(registry.at("/"))) signs.push(`request ${request.url()}`);
  });
  await page.addInitScript(
    "addEventListener('securitypolicyviolation', (event) => console.log('policy ' + event.violatedDirective))",
  );
  await page.goto(registry.at(path), { waitUntil: "networkidle" });
  return { page, signs };
}
const isTaken = (page: Page): Promise<boolean> => page.evaluate<boolean>("'taken' in window");

test.each([
  ["under the page's policy", {}],
  ["even without the page's policy", { bypassCSP: true }],
])("attack 38: a publisher's text does nothing on a page, %s", async (_how, options) => {
  const version = "/packs/acme/hostile/1.1.0";
  for (const path of ["/", "/packs/acme/hostile", version, "/?q=hostile"]) {
    const { page, signs } = await open(path, options);
    expect([path, signs, await isTaken(page)]).toEqual([path, [], false]);
    expect(page.url()).toBe(registry.at(path));
    // The text is on the page, as text.
    const text = await page.locator("main").innerText();
    expect(text).toContain("<script>window.taken = 1</script>");
    const forbidden = "main :is(script, img, svg, iframe, style, base, form:not(.compare), meta)";
    expect(await page.locator(forbidden).count()).toBe(0);
    if (path === version) {
      expect(text).toContain(`${SIGNER.identity} by ${SIGNER.issuer}, repository 7`);
      expect(text).toContain(`${SIGNER.issuer} vouched for ${SIGNER.identity}`);
      // Nobody gets a quarantined version, so nobody is told how.
      expect(text).not.toContain("sonde packs install");
      for (const by of ["yank", "deprecation", "advisory", "quarantine"]) {
        expect(text).toContain(said(by));
      }
    }
    await page.close();
  }
});

test.each([
  ["/?category=files&publisher=acme", []],
  ["/packs/acme/hostile/difference?from=1.0.0&to=1.1.0", []],
  [
    "/publishers/acme",
    [SIGNER.identity, said("deprecation"), said("advisory"), said("quarantine")],
  ],
])(
  "attack 38: a publisher's text does nothing on %s, even without the page's policy",
  async (path, texts) => {
    const { page, signs } = await open(path, { bypassCSP: true });
    expect([signs, await isTaken(page)]).toEqual([[], false]);
    const text = await page.locator("main").innerText();
    for (const one of ["<script>window.taken = 1</script>", ...texts]) expect(text).toContain(one);
    const forbidden = "main :is(script, img, svg, iframe, style, base, form:not(.compare), meta)";
    expect(await page.locator(forbidden).count()).toBe(0);
    await page.close();
  },
);

test.each([
  ["a publisher", "a<b>", "hello", "1.0.0"],
  ["a pack", "acme", "<svg>", "1.0.0"],
  ["a version", "acme", "hello", "1.0.0-<svg>"],
  ["a version's build", "acme", "hello", "1.0.0+<svg>"],
])("attack 38: no markup comes in as the name of %s", async (_what, publisher, pack, version) => {
  const name = `${publisher}/${pack}`;
  const archive = buildSampleArchive({ manifest: { name, version } });
  const path = [publisher, pack, version].map(encodeURIComponent).join("/");
  expect([400, 403]).toContain((await registry.publish(acme.sign(archive, path))).status);
  // An archive with such a name fails under a valid path too.
  const plain = await registry.publish(acme.sign(archive, "acme/hello/1.0.0"));
  expect([plain.status, codeOf(plain)]).toEqual([422, "MANIFEST_INVALID"]);
});

test("attack 38: every link of a hostile page leads to the registry, or outward by http only", async () => {
  const { page } = await open("/packs/acme/hostile");
  const links = await Promise.all(
    (await page.locator("main a").all()).map(async (link) => ({
      href: await link.getAttribute("href"),
      rel: await link.getAttribute("rel"),
    })),
  );
  const outward = links.filter(({ href }) => href !== null && !/^\/[^/]/.test(href));
  expect(outward.length).toBeGreaterThan(1);
  for (const { href, rel } of outward) {
    expect(href).toMatch(/^https?:\/\//);
    expect(rel).toContain("noopener noreferrer");
  }
  await page.close();
});

test.each([
  ATTACKS.slice(0, 190),
  '" autofocus onfocus="window.taken=1',
  "</h2><script>window.taken=1</script>",
])("attack 38: the search for %j is shown, and does nothing", async (query) => {
  const { page, signs } = await open(`/?q=${encodeURIComponent(query)}`);
  expect([signs, await isTaken(page)]).toEqual([[], false]);
  expect(await page.locator("#q").inputValue()).toBe(query);
  await page.close();
});

test.each([
  "/packs/acme/none",
  "/packs/%3Cscript%3E/x",
  "/?cursor=%3Cscript%3E",
  "/?q=a&cursor=e30",
])("the refusal of %s is a page under the same rules", async (path) => {
  const response = await fetch(registry.at(path));
  expect([400, 404]).toContain(response.status);
  expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(await response.text()).not.toContain("<script");
});

test("pages have their security headers, and no cookies", async () => {
  const { headers } = await fetch(registry.at("/packs/acme/plain"));
  expect(headers.get("content-security-policy")).toBe(
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  );
  expect(headers.get("x-frame-options")).toBe("DENY");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("set-cookie")).toBeNull();
});

test("without scripts, a reader searches by keyboard and reaches a pack's permissions", async () => {
  const context = await browser.newContext({
    javaScriptEnabled: false,
    viewport: { width: 375, height: 720 },
    colorScheme: "dark",
  });
  const page = await context.newPage();
  await page.goto(registry.at("/"));
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.type("plain");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/?q=plain");
  await page.getByRole("link", { name: "acme/plain" }).click();
  await page.getByRole("heading", { level: 1, name: /plain/ }).waitFor();
  for (const name of [
    "What it may do",
    "Install",
    "Questions it answers",
    "README",
    "Signed by",
    "Versions",
    "Proof",
  ]) {
    await page.getByRole("heading", { level: 2, name }).waitFor();
  }
  expect(await page.locator(".permissions").innerText()).toContain("file /proc/loadavg");
  expect(await page.locator(".checkpoint").innerText()).toContain(registry.logKey.split("+")[0]);
  // Nothing is wider than the phone.
  const box = await page.locator("main").boundingBox();
  expect(box?.width).toBe(375);
  const shot = await page.screenshot({ fullPage: true });
  // A PNG has its width at offset 16; it must be the phone's.
  expect(shot.readUInt32BE(16)).toBe(375);
  await context.close();
});
