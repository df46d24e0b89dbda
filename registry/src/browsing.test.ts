import { CATEGORIES, type Manifest, type Source } from "@sonde/schemas/manifest";
import {
  type PackOrder,
  type PackSummary,
  parsePackCounts,
  parsePackList,
  parsePublisherDetails,
  parseVersionDetails,
  parseVersionDifference,
} from "@sonde/schemas/registry";
import { deriveRequires } from "@sonde/sources";
import { buildSampleManifest } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestPublisher, addTestPublisher } from "./testing/test-publisher.ts";
import { TestRegistry, codeOf } from "./testing/test-registry.ts";

// How people find a pack by what it reads, and compare its versions: what the pages show, over the API.

const limits = { timeoutMs: 500, maxBytes: 4096 };
const LOAD: Source = { kind: "file", path: "/proc/loadavg", ...limits };
const CONF: Source = { kind: "file", path: "/etc/nginx/nginx.conf", ...limits };
const INFO: Source = { kind: "redis", socket: "/run/redis.sock", command: "INFO", ...limits };
const UNITS: Source = {
  ...{ kind: "exec", command: "systemctl", argv: ["is-system-running"], ...limits },
};

/** A manifest whose one probe reads all of these. */
function reading(sources: Record<string, Source>, groups: string[] = []): Partial<Manifest> {
  const { greet } = buildSampleManifest().probes;
  if (greet === undefined) throw new Error("expected the sample's probe");
  const reads = Object.fromEntries(Object.keys(sources).map((source) => [source, { source }]));
  return {
    sources,
    requires: { ...deriveRequires(sources), groups },
    probes: { greet: { ...greet, reads } },
  };
}

let registry: TestRegistry;
let acme: TestPublisher;
let globex: TestPublisher;
beforeAll(async () => {
  registry = await TestRegistry.start();
  acme = await addTestPublisher(registry, "acme");
  globex = await addTestPublisher(registry, "globex");
  await acme.publish("web", "1.0.0", { manifest: reading({ conf: CONF, load: LOAD }) });
  await acme.publish("store", "1.0.0", { manifest: reading({ info: INFO }, ["redis"]) });
  await globex.publish("web-cache", "1.0.0", {
    manifest: {
      ...reading({ conf: CONF, info: INFO }, ["docker"]),
      description: "A mill of pages.",
    },
  });
  await globex.publish("units", "1.0.0", { manifest: reading({ units: UNITS }) });
}, 180_000);
afterAll(() => registry.close());

const find = async (query: string): Promise<PackSummary[]> =>
  parsePackList((await registry.read(`/api/v1/search?${query}`)).body).packs;
const names = async (query: string): Promise<string[]> =>
  (await find(query)).map(({ name }) => name);
const count = async (query: string) =>
  parsePackCounts((await registry.read(`/api/v1/search/counts?${query}`)).body);

test("packs are found by what they read and by program, also together with words", async () => {
  expect(await names("category=redis&sort=name")).toEqual(["acme/store", "globex/web-cache"]);
  expect(await names("engine=nginx&sort=name")).toEqual(["acme/web", "globex/web-cache"]);
  expect(await names("category=redis&engine=nginx")).toEqual(["globex/web-cache"]);
  expect(await names("q=web&category=redis")).toEqual(["globex/web-cache"]);
  expect(await names("q=mill&engine=nginx&sort=published")).toEqual(["globex/web-cache"]);
  expect(await names("publisher=acme&category=files")).toEqual(["acme/web"]);
  expect(await names("q=web&category=commands")).toEqual([]);
  // A filter is never loosened to similar names.
  expect(await names("q=wbe-cach")).toEqual(["globex/web-cache"]);
  expect(await names("q=wbe-cach&engine=redis")).toEqual([]);
});

test.each([
  "category=none",
  "engine=postgres",
  "sort=best",
  "publisher=A",
  "category=sql&category=files",
])("a search by %s is refused", async (query) => {
  const answer = await registry.read(`/api/v1/search?${query}`);
  expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_REQUEST"]);
});

test("a list says of each pack what it could reach", async () => {
  const [store] = await find("q=store");
  expect(store?.reach).toEqual({
    ...{ capability: "observe", groups: [{ name: "redis", isRoot: false }] },
    ...{ reads: [{ category: "redis", count: 1 }], engines: ["redis"] },
  });
  const [cache] = await find("q=cache");
  expect(cache?.reach.groups).toEqual([{ name: "docker", isRoot: true }]);
  const path = "/api/v1/packs/globex/web-cache/1.0.0/details";
  expect(parseVersionDetails((await registry.read(path)).body).reach).toEqual(cache?.reach);
});

test("counts are those of each other choice", async () => {
  const all = await count("");
  expect(all.packs).toBe(4);
  expect(all.categories).toEqual([
    ...[
      { category: "files", packs: 2 },
      { category: "redis", packs: 2 },
    ],
    { category: "commands", packs: 1 },
  ]);
  expect(all.engines.find(({ engine }) => engine === "nginx")?.packs).toBe(2);
  const ofNginx = await count("engine=nginx&category=redis");
  expect(ofNginx.packs).toBe(1);
  expect(ofNginx.categories).toEqual([
    ...[
      { category: "files", packs: 2 },
      { category: "redis", packs: 1 },
    ],
  ]);
  expect(ofNginx.engines).toEqual([
    ...[
      { engine: "redis", packs: 2 },
      { engine: "nginx", packs: 1 },
    ],
  ]);
  expect((await count("q=mill")).packs).toBe(1);
  expect(await count("q=qqqxyz")).toEqual({ packs: 0, categories: [], engines: [] });
});

/** The order that each sort promises, from what the list itself says. */
const KEYS: Record<Exclude<PackOrder, "match">, (pack: PackSummary) => string | number> = {
  downloads: ({ downloads }) => -downloads,
  name: ({ name }) => name,
  newest: ({ firstPublishedAt }) => -Date.parse(firstPublishedAt),
  published: ({ publishedAt }) => -Date.parse(publishedAt),
};

test.each(Object.entries(KEYS))("sorted by %s, pages have every pack once", async (sort, keyOf) => {
  // Packs of one moment are in the order of their names.
  await registry.inDatabase((sql) =>
    sql.unsafe("update packs set published_at = '2026-01-01', first_published_at = '2026-01-01'"),
  );
  await acme.publish(`again-${sort}`, "1.0.0", { manifest: reading({ load: LOAD }) });
  await acme.publish("web", `1.1.${Object.keys(KEYS).indexOf(sort)}`, {
    manifest: reading({ conf: CONF, load: LOAD }),
  });
  const whole = await find(`sort=${sort}&limit=100`);
  const paged: PackSummary[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const path = `/api/v1/search?sort=${sort}&limit=2${cursor === "" ? "" : `&cursor=${cursor}`}`;
    const page = parsePackList((await registry.read(path)).body);
    paged.push(...page.packs);
    ({ cursor } = page);
  }
  expect(paged).toEqual(whole);
  const sorted = whole.toSorted((a, b) => {
    const [one, other] = [keyOf(a), keyOf(b)];
    if (one !== other) return one < other ? -1 : 1;
    return a.name < b.name ? -1 : 1;
  });
  expect(whole.map(({ name }) => name)).toEqual(sorted.map(({ name }) => name));
  if (sort === "published") expect(whole[0]?.name).toBe("acme/web");
  if (sort === "newest") expect(whole[0]?.name).toBe("acme/again-newest");
});

test.each([
  ["newest", { at: "2026-99-99T00:00:00.000Z", name: "acme/web" }],
  ["published", { name: "acme/web" }],
  ["name", { at: "2026-01-01T00:00:00.000Z", name: "acme/web" }],
  ["downloads", { name: "acme/web" }],
])("sorted by %s, a cursor of another order or time is refused: %j", async (sort, cursor) => {
  const text = Buffer.from(JSON.stringify(cursor)).toString("base64url");
  const answer = await registry.read(`/api/v1/search?sort=${sort}&cursor=${text}`);
  expect([answer.status, codeOf(answer)]).toEqual([400, "BAD_REQUEST"]);
});

test("a list says at once that a pack is deprecated, or has an advisory for its version", async () => {
  await acme.publish("old", "1.0.0");
  const said = async () => {
    const { deprecated, advisories } = (await find("q=old&publisher=acme"))[0] ?? {};
    return { deprecated, advisories };
  };
  expect(await said()).toEqual({ deprecated: null, advisories: [] });
  const advise = (id: string, range: string, withdrawn = false) =>
    acme.say(`old/advisories/${id}`, { range, severity: "high", text: "Wrong.", withdrawn });
  await advise("ACME-1", "<2.0.0");
  await advise("ACME-2", ">=2.0.0");
  await acme.say("old/deprecation", { message: "Use acme/web." });
  expect(await said()).toEqual({
    deprecated: "Use acme/web.",
    advisories: [{ id: "ACME-1", severity: "high" }],
  });
  // The list follows its version, and what is said later.
  await acme.publish("old", "2.0.0");
  expect((await said()).advisories).toEqual([{ id: "ACME-2", severity: "high" }]);
  await acme.say("old/2.0.0/yank", { yanked: true, reason: "wrong" });
  expect((await said()).advisories).toEqual([{ id: "ACME-1", severity: "high" }]);
  await advise("ACME-1", "<2.0.0", true);
  await acme.say("old/deprecation", { message: null });
  expect(await said()).toEqual({ deprecated: null, advisories: [] });
});

test("what an earlier release derived, or none, is derived anew at the next start", async () => {
  await acme.say("store/1.0.0/yank", { yanked: true, reason: "wrong" });
  const before = await find("sort=name&limit=100");
  await registry.inDatabase((sql) =>
    sql.unsafe(`update packs set derived_by = '0.0.1', version = '', categories = '{}', engines = '{}',
      reach = '{"capability":"observe","groups":[],"reads":[],"engines":[]}',
      said = '{"deprecated":null,"advisories":[]}'`),
  );
  expect(await names("category=redis")).toEqual([]);
  await registry.stop("SIGTERM");
  await registry.start();
  expect(await find("sort=name&limit=100")).toEqual(before);
  expect(await names("category=redis&sort=name")).toEqual(["acme/store", "globex/web-cache"]);
  expect(before.flatMap(({ reach }) => reach.reads.map(({ category }) => category))).toEqual(
    expect.arrayContaining(
      CATEGORIES.filter((one) => ["files", "redis", "commands"].includes(one)),
    ),
  );
});

test("two versions are compared in either direction: permissions, words, parameters, README", async () => {
  const { greet } = reading({ conf: CONF }).probes ?? {};
  if (greet === undefined) throw new Error("expected a probe");
  const string = { type: "string", maxLength: 10 } as const;
  const params = (properties: object) =>
    ({
      type: "object",
      properties,
      required: [],
      additionalProperties: false,
    }) as typeof greet.params;
  const first = reading({ conf: CONF, load: LOAD });
  await acme.publish("compared", "1.0.0", {
    manifest: { ...first, probes: { greet: { ...greet, params: params({ who: string }) } } },
    readme: "# Compared\n\nOne.\n",
  });
  const second = reading({ conf: CONF, units: UNITS });
  await acme.publish("compared", "1.1.0", {
    manifest: {
      ...second,
      description: "Says something else.",
      probes: {
        greet: {
          ...greet,
          ...{ description: "Greets in other words.", params: params({ whom: string }) },
          reads: { conf: { source: "conf" }, units: { source: "units" } },
        },
      },
    },
    readme: "# Compared\n\nTwo.\n",
  });
  const path = "/api/v1/packs/acme/compared/difference";
  const read = async (from: string, to: string) =>
    parseVersionDifference((await registry.read(`${path}?from=${from}&to=${to}`)).body);
  const there = await read("1.0.0", "1.1.0");
  expect(there).toMatchObject({
    ...{ name: "acme/compared", from: "1.0.0", to: "1.1.0" },
    description: { after: "Says something else." },
    permissions: {
      added: { commands: ["systemctl is-system-running"], files: [] },
      removed: { files: ["/proc/loadavg"], commands: [] },
      probes: { added: [], removed: [], changed: ["greet"], raised: [] },
      sources: { added: ["units"], removed: ["load"], changed: [] },
      asksMore: true,
    },
    tools: [
      {
        id: "acme/compared.greet",
        before: { description: greet.description, params: [{ name: "who", required: false }] },
        after: { description: "Greets in other words.", params: [{ name: "whom" }] },
      },
    ],
  });
  expect(there.readme?.filter(({ is }) => is !== "same")).toEqual([
    ...[
      { line: "One.", is: "removed" },
      { line: "Two.", is: "added" },
    ],
  ]);
  const back = await read("1.1.0", "1.0.0");
  expect(back.permissions.added).toEqual(there.permissions.removed);
  expect(back.tools[0]).toEqual({
    ...{ id: "acme/compared.greet" },
    ...{ before: there.tools[0]?.after, after: there.tools[0]?.before },
  });
  const same = await read("1.1.0", "1.1.0");
  expect([same.tools, same.readme, same.permissions.asksMore]).toEqual([[], [], false]);
  expect((await registry.read(`${path}?from=1.0.0&to=9.9.9`)).status).toBe(404);
  expect((await registry.read(`${path}?from=1.0.0`)).status).toBe(400);
  // A version tells also which questions take other reads than before.
  const details = await registry.read("/api/v1/packs/acme/compared/1.1.0/details");
  expect(parseVersionDetails(details.body).changes).toMatchObject({
    ...{ from: "1.0.0", changed: ["greet"] },
  });
});

test("a publisher is shown with what may sign for it, what signed, and what was said of its packs", async () => {
  const initech = await addTestPublisher(registry, "initech");
  const read = async (name: string) =>
    parsePublisherDetails((await registry.read(`/api/v1/publishers/${name}`)).body);
  expect(await read("initech")).toMatchObject({ packs: 0, signed: [], warnings: [] });
  await initech.publish("globe", "1.0.0");
  await initech.publish("globe", "1.1.0");
  // One letter from globex/web-cache, which is another publisher's.
  await initech.publish("web-cachet", "1.0.0");
  await initech.say("globe/1.0.0/yank", { yanked: true, reason: "wrong numbers" });
  await initech.say("globe/deprecation", { message: "Use another." });
  await initech.say("globe/advisories/INI-1", {
    ...{ range: "*", severity: "low", text: "Slow.", withdrawn: false },
  });
  const known = await read("initech");
  expect(known).toMatchObject({
    ...{ name: "initech", packs: 2, identities: [] },
    keys: [{ publicKey: expect.stringContaining("BEGIN PUBLIC KEY") as string }],
    signed: [{ versions: 3, isListed: true, signer: { kind: "rsa-sha256" } }],
    warnings: [
      {
        name: "initech/web-cachet",
        text: "initech/web-cachet is easily taken for globex/web-cache, which is another publisher's",
      },
    ],
    deprecated: [{ name: "initech/globe", message: "Use another." }],
    advisories: [{ name: "initech/globe", advisory: { id: "INI-1" } }],
    withdrawn: [{ name: "initech/globe", version: "1.0.0", state: { yanked: "wrong numbers" } }],
  });
  // The warning stays with the pack, whatever is published later.
  await initech.publish("web-cachet", "1.1.0");
  const details = await registry.read("/api/v1/packs/initech/web-cachet/1.1.0/details");
  expect(parseVersionDetails(details.body).warnings).toEqual([known.warnings[0]?.text]);

  // A key that may not sign any longer is told apart from one that may.
  const [key] = known.keys;
  await registry.operate("DELETE", `/publishers/initech/keys/${key?.keyId ?? ""}`);
  expect(await read("initech")).toMatchObject({ keys: [], signed: [{ isListed: false }] });
  expect(
    parseVersionDetails((await registry.read("/api/v1/packs/initech/globe/1.1.0/details")).body)
      .trust,
  ).toBeNull();
  expect((await registry.read("/api/v1/publishers/nobody")).status).toBe(404);
});
