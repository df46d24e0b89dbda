import { buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestRegistry, codeOf, signUpload } from "./testing/test-registry.ts";

const PACK = "/api/v1/packs/acme/hello";
let registry: TestRegistry;

beforeAll(async () => {
  registry = await TestRegistry.start();
  const key = createSampleKey();
  const token = await registry.addPublisher("acme", key);
  const publish = async (version: string, path: string) => {
    const load = { kind: "file" as const, path, timeoutMs: 500, maxBytes: 4096 };
    const requires = { groups: [], commands: [], files: [path], sockets: [] };
    const archive = buildSampleArchive({ manifest: { version, sources: { load }, requires } });
    const answer = await registry.publish(signUpload(archive, `acme/hello/${version}`, key, token));
    expect(answer.status).toBe(201);
  };
  await publish("1.0.0", "/proc/loadavg");
  await publish("2.0.0", "/proc/stat");
  await publish("1.1.0", "/proc/uptime");
}, 120_000);
afterAll(() => registry.close());

test("attack 45: a version's new permissions are listed against the previous version", async () => {
  expect((await registry.read(`${PACK}/1.1.0/permissions`)).body).toMatchObject({
    from: "1.0.0",
    to: "1.1.0",
    added: { files: ["/proc/uptime"] },
    removed: { files: ["/proc/loadavg"] },
    sources: { changed: ["load"] },
    asksMore: true,
  });
  expect((await registry.read(`${PACK}/2.0.0/permissions`)).body).toMatchObject({ from: "1.1.0" });
  expect((await registry.read(`${PACK}/1.0.0/permissions`)).body).toMatchObject({
    from: null,
    added: { files: ["/proc/loadavg"] },
  });
});

test("the page of a version says what is new and what is gone since the version before", async () => {
  const page = async (version: string) =>
    (await fetch(registry.at(`/packs/acme/hello/${version}`))).text();
  const second = await page("1.1.0");
  expect(second).toContain("<h3>Beside 1.0.0</h3>");
  expect(second).toContain('<li>New: <code class="exact">/proc/uptime</code></li>');
  expect(second).toContain('<li>Gone: <code class="exact">/proc/loadavg</code></li>');
  expect(await page("2.0.0")).toContain("<h3>Beside 1.1.0</h3>");
  expect(await page("1.0.0")).not.toContain("Beside");
});

test("permissions compare with any version, itself included", async () => {
  const against = async (version: string) =>
    (await registry.read(`${PACK}/2.0.0/permissions?against=${version}`)).body;
  expect(await against("1.0.0")).toMatchObject({ added: { files: ["/proc/stat"] } });
  expect(await against("2.0.0")).toMatchObject({ asksMore: false });
});

test.each([
  ["/9.9.9/permissions", "NOT_FOUND"],
  ["/2.0.0/permissions?against=9.9.9", "NOT_FOUND"],
  ["/2.0.0/permissions?against=latest", "BAD_REQUEST"],
  ["/2.0.0/permissions?other=1", "BAD_REQUEST"],
])("%s is %s", async (path, code) => {
  expect(codeOf(await registry.read(`${PACK}${path}`))).toBe(code);
});
