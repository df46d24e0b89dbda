import { randomBytes } from "node:crypto";
import { utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ERROR_TABLE, type ErrorCode } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import {
  type PackSummary,
  parseIndexLine,
  parsePackList,
  parsePublishedVersion,
  parseVersionDetails,
} from "@sonde/schemas/registry";
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type TestPublisher,
  addTestPublisher,
  buildSampleProbes,
} from "./testing/test-publisher.ts";
import { TestRegistry, codeOf } from "./testing/test-registry.ts";

let registry: TestRegistry;
let acme: TestPublisher;

const publish: TestPublisher["publish"] = (...words) => acme.publish(...words);

beforeAll(async () => {
  registry = await TestRegistry.start();
  acme = await addTestPublisher(registry, "acme");
  await publish("turbine", "1.0.0", { readme: "# Turbine\n\nSee also the windmill.\n" });
  await publish("turbine", "1.2.0", { readme: "# Turbine\n\nSee also the windmill.\n" });
  await publish("turbine", "2.0.0-beta.1");
  await publish("windmill", "1.0.0", { manifest: { description: "How a mill turns." } });
  await publish("barn", "1.0.0", {
    manifest: { probes: buildSampleProbes("rotor.speed", "How fast each windmill turns.") },
    readme:
      "# Farm\n\n<script>alert(1)</script> **bold** [x](javascript:alert(1)) [y](https://e.org/)\n\n![p](https://e.org/p.png)\n",
  });
  for (let index = 0; index < 5; index++) await publish(`gauge-${index}`, "1.0.0");
}, 180_000);
afterAll(() => registry.close());

const names = (body: unknown): string[] => parsePackList(body).packs.map(({ name }) => name);
const search = async (query: string): Promise<string[]> => {
  const answer = await registry.read(`/api/v1/search?q=${encodeURIComponent(query)}`);
  expect(answer.status).toBe(200);
  return names(answer.body);
};
const walk = async (path: string): Promise<PackSummary[]> => {
  const packs: PackSummary[] = [];
  for (let next = path; ; ) {
    const page = parsePackList((await registry.read(next)).body);
    expect(page.packs.length).toBeLessThanOrEqual(3);
    packs.push(...page.packs);
    if (page.cursor === null) return packs;
    next = `${path}&cursor=${encodeURIComponent(page.cursor)}`;
  }
};

test("a search finds by name, description, probe and README, in that order", async () => {
  expect(await search("windmill")).toEqual(["acme/windmill", "acme/barn", "acme/turbine"]);
  expect(await search("mill turns")).toContain("acme/windmill");
  expect(await search("rotor speed")).toEqual(["acme/barn"]);
});

test("a prefix and a misspelt word find the pack", async () => {
  expect(await search("turb")).toEqual(["acme/turbine"]);
  expect((await search("wndmill"))[0]).toBe("acme/windmill");
  expect(await search("qqqxyz")).toEqual([]);
});

test.each([
  "'; drop table packs; --",
  "%",
  "\\",
  "a & | ! :* <->",
  "((",
  '"',
  "\u0000",
  "😀 \ud800x",
  "*",
])("special characters in a search are plain text: %j", async (query) => {
  const answer = await registry.read(
    `/api/v1/search?q=${encodeURIComponent(query.toWellFormed())}`,
  );
  expect(answer.status).toBe(200);
});

test("pages are bounded and ordered, and have every pack once", async () => {
  const byName = await walk("/api/v1/packs?limit=3");
  expect(byName.map(({ name }) => name)).toEqual(
    [...["barn", "gauge-0", "gauge-1", "gauge-2", "gauge-3", "gauge-4", "turbine", "windmill"]].map(
      (name) => `acme/${name}`,
    ),
  );
  expect((await walk("/api/v1/search?q=&limit=3")).length).toBe(8);
  const gauges = await walk("/api/v1/search?q=gauge&limit=2");
  expect(gauges.map(({ name }) => name)).toEqual([0, 1, 2, 3, 4].map((n) => `acme/gauge-${n}`));
  const turbine = byName.find(({ name }) => name === "acme/turbine");
  expect(turbine?.latest).toBe("1.2.0");
});

function encodeCursor(wrong: object): string {
  const cursor = { score: "1.00", downloads: 1, name: "acme/barn", ...wrong };
  return Buffer.from(JSON.stringify(cursor)).toString("base64url");
}

test.each([
  "/api/v1/search?limit=0",
  "/api/v1/search?limit=101",
  "/api/v1/packs?limit=1e1",
  "/api/v1/search?q=a&cursor=e30",
  "/api/v1/search?q=a&cursor=xx",
  ...[{ downloads: 1e300 }, { downloads: 2 ** 63 }, { name: "a/\0" }, { name: "a" }].map(
    (wrong) => `/api/v1/search?q=a&cursor=${encodeCursor(wrong)}`,
  ),
  "/api/v1/search?other=1",
  `/api/v1/search?q=${"a".repeat(201)}`,
])("%s is refused", async (path) => {
  const answer = await registry.read(path);
  expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_REQUEST"]);
});

test("details say in words what a version may do, who signed it and what its README says", async () => {
  const details = parseVersionDetails(
    (await registry.read("/api/v1/packs/acme/barn/1.0.0/details")).body,
  );
  expect(details.permissions).toEqual({
    capability: "observe",
    groups: [],
    reads: [{ words: "Reads a file", exact: "file /proc/loadavg", capability: "observe" }],
  });
  expect(details.probes[0]).toMatchObject({
    id: "acme/barn.rotor.speed",
    reads: ["file /proc/loadavg"],
  });
  expect(details.signedBy).toMatch(/^acme \(RSA key sha256:/);
  expect(details.readmeHtml).toContain("<strong>bold</strong>");
  expect(details.readmeHtml).toContain('href="https://e.org/"');
  expect(details.readmeHtml).not.toMatch(/<script|<img|javascript:[^<]*"/);
  const missing = await registry.read("/api/v1/packs/acme/barn/9.0.0/details");
  expect([missing.status, codeOf(missing)]).toEqual([404, "NOT_FOUND"]);
});

test("the index has one line for each version, in the order of the log", async () => {
  const response = await fetch(registry.at("/index/acme/turbine"));
  const lines = (await response.text())
    .trimEnd()
    .split("\n")
    .map((line) => parseIndexLine(parseJson(line, "line", "BAD_REQUEST")));
  expect(lines.map(({ version }) => version)).toEqual(["1.0.0", "1.2.0", "2.0.0-beta.1"]);
  const published = parsePublishedVersion(
    (await registry.read("/api/v1/packs/acme/turbine/1.2.0")).body,
  );
  const { name, version, digest, logIndex, manifest } = published;
  expect(lines[1]).toEqual({
    ...{ name, version, digest, logIndex },
    engines: manifest.engines,
    state: { yanked: null, quarantined: null },
  });
  expect((await fetch(registry.at("/index/acme/none"))).status).toBe(404);
});

test("the index changes only with a publish", async () => {
  const path = registry.at("/index/acme/windmill");
  const etag = (await fetch(path)).headers.get("etag") ?? "";
  const ask = async (tag: string): Promise<number> =>
    (await fetch(path, { headers: { "if-none-match": tag } })).status;
  expect(await ask(etag)).toBe(304);
  expect(await ask(`W/${etag}, "x"`)).toBe(304);
  expect(await ask('"x"')).toBe(200);
  await publish("windmill", "1.1.0");
  expect(await ask(etag)).toBe(200);
});

test("the API has a valid OpenAPI document, with all bodies and every refusal by status", async () => {
  const documents = await registry.readDocuments();
  for (const document of [documents.http, documents.operator]) {
    const copy = structuredClone(document) as unknown as Record<string, unknown>;
    expect((await new Validator().validate(copy)).valid).toBe(true);
  }
  const { get, put } = documents.http.paths["/api/v1/packs/{publisher}/{pack}/{version}"] ?? {};
  expect(put).toMatchObject({
    security: [{ publisher: [] }],
    requestBody: {
      required: true,
      content: {
        "multipart/form-data": {
          schema: {
            required: ["bundle", "archive"],
            properties: { archive: { format: "binary" } },
          },
        },
      },
    },
  });
  const codesOf = (operation: typeof get) =>
    Object.entries(operation?.responses ?? {})
      .filter(([status]) => Number(status) >= 400)
      .map(([status, response]) => [
        Number(status),
        JSON.stringify(response)
          .match(/(?<="enum":\[)[^\]]*/)?.[0]
          .replaceAll('"', "")
          .split(","),
      ]);
  expect(codesOf(get)).toEqual([
    [400, ["BAD_REQUEST"]],
    [404, ["NOT_FOUND"]],
    [429, ["TOO_MANY_ATTEMPTS"]],
    [500, ["INTERNAL"]],
  ]);
  const declared = codesOf(put).flatMap(([status, codes]) =>
    (codes as ErrorCode[]).map((code) => [code, status]),
  );
  expect(declared.length).toBeGreaterThan(15);
  for (const [code, status] of declared) {
    expect([code, ERROR_TABLE[code as ErrorCode].status]).toEqual([code, status]);
  }
});

const archivePath = "/api/v1/packs/acme/turbine/1.0.0/archive";
const download = async (headers: Record<string, string>, method = "GET") => {
  const response = await fetch(registry.at(archivePath), { method, headers });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes };
};

test("an archive is served whole, by range and by tag", async () => {
  const whole = await download({});
  const size = whole.bytes.length;
  const etag = whole.headers.get("etag") ?? "";
  expect(etag).toBe(`"${whole.headers.get("sonde-digest")}"`);
  expect(whole.headers.get("content-length")).toBe(String(size));

  const head = await download({ range: "bytes=0-1" }, "HEAD");
  expect([head.status, head.headers.get("content-length"), head.bytes.length]).toEqual([
    200,
    String(size),
    0,
  ]);
  expect((await download({ "if-none-match": etag })).status).toBe(304);

  const cases: [string, number, number][] = [
    ["bytes=0-0", 0, 0],
    ["bytes=5-9", 5, 9],
    ["bytes=7-", 7, size - 1],
    ["bytes=-3", size - 3, size - 1],
    [`bytes=-${size * 2}`, 0, size - 1],
    [`bytes=3-${size * 2}`, 3, size - 1],
  ];
  for (const [range, start, end] of cases) {
    const part = await download({ range, "if-range": etag });
    expect([part.status, part.headers.get("content-range")]).toEqual([
      206,
      `bytes ${start}-${end}/${size}`,
    ]);
    expect(part.bytes).toEqual(whole.bytes.subarray(start, end + 1));
  }
  for (const range of ["bytes=9-5", "bytes=0-1,3-4", "lines=0-1", "bytes=-", "bytes=a-b"]) {
    const answer = await download({ range });
    expect([range, answer.status, answer.bytes.length]).toEqual([range, 200, size]);
  }
  const other = await download({ range: "bytes=0-1", "if-range": '"other"' });
  expect([other.status, other.bytes.length]).toEqual([200, size]);
  for (const range of [`bytes=${size}-`, "bytes=-0"]) {
    const refused = await download({ range });
    expect([refused.status, refused.headers.get("content-range")]).toEqual([
      416,
      `bytes */${size}`,
    ]);
  }
});

test.each([
  ["small", "2.0.0", 10],
  ["large", "2.1.0", 400_000],
])(
  "a %s archive that changes on disk after a download is no longer served",
  async (_what, version, codeBytes) => {
    await publish("barn", version, {
      code: `// ${randomBytes(codeBytes).toString("base64")}\nvar pack = {};\n`,
    });
    const path = `/api/v1/packs/acme/barn/${version}/archive`;
    const before = await fetch(registry.at(path));
    const bytes = Buffer.from(await before.arrayBuffer());
    const digest = before.headers.get("sonde-digest") ?? "";
    const file = join(registry.dataDir, "archives", `${digest.slice("sha256:".length)}.tgz`);
    writeFileSync(file, bytes.with(bytes.length - 1, 1));
    // The same size, and an mtime that hides the write.
    utimesSync(file, new Date(0), new Date(0));
    const after = await registry.read(path);
    expect([after.status, codeOf(after)]).toEqual([500, "INTERNAL"]);
    writeFileSync(file, bytes);
    expect((await fetch(registry.at(path))).status).toBe(200);
  },
);

test("downloads that send bytes are counted, and the counts survive a stop", async () => {
  const details = async () =>
    parseVersionDetails((await registry.read("/api/v1/packs/acme/gauge-4/1.0.0/details")).body)
      .downloads;
  const path = registry.at("/api/v1/packs/acme/gauge-4/1.0.0/archive");
  expect(await details()).toEqual({ version: 0, pack: 0 });
  for (let index = 0; index < 3; index++) await (await fetch(path)).arrayBuffer();
  await fetch(path, { method: "HEAD" });
  await (await fetch(path, { headers: { range: "bytes=4-9" } })).arrayBuffer();
  expect(await registry.stop("SIGTERM")).toBe(0);
  await registry.start();
  expect(await details()).toEqual({ version: 3, pack: 3 });
  expect((await search("gauge"))[0]).toBe("acme/gauge-4");
});
