import { parseJson } from "@sonde/schemas/parse";
import {
  type PackLife,
  type RegistryEntry,
  parsePackVersions,
  parsePublishedVersion,
  parseRegistryEntry,
} from "@sonde/schemas/registry";
import { EMPTY_FRONTIER, type TileId, followLog, parseNoteKey, tilePath } from "@sonde/trust/log";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, TestRegistry, codeOf, signUpload } from "./testing/test-registry.ts";

const PACK = "/api/v1/packs/acme/hello";
const FAULT = { range: "<2.0.0", severity: "high", text: "Says too much.", withdrawn: false };
let registry: TestRegistry;
let acme: SampleKey;
let owner: string;

beforeAll(async () => {
  registry = await TestRegistry.start();
  acme = createSampleKey();
  owner = await registry.addPublisher("acme", acme);
  for (const version of ["1.0.0", "2.0.0"]) expect((await publish(version)).status).toBe(201);
}, 120_000);
afterAll(() => registry.close());

const publish = (version: string): Promise<Answer> => {
  const archive = buildSampleArchive({ manifest: { version } });
  return registry.publish(signUpload(archive, `acme/hello/${version}`, acme, owner));
};
const put = (path: string, body: object, bearer = owner): Promise<Answer> =>
  registry.send("PUT", `${PACK}${path}`, bearer, body);
const operate = (path: string, body: object): Promise<Answer> =>
  registry.operate("PUT", `${PACK}${path}`, body);
const version = async (name = "1.0.0") =>
  parsePublishedVersion((await registry.read(`${PACK}/${name}`)).body);
const download = async (name = "1.0.0"): Promise<[number, string]> => {
  const response = await fetch(registry.at(`${PACK}/${name}/archive`));
  return [response.status, await response.text()];
};
const readEntries = async (): Promise<RegistryEntry[]> => {
  const entries: RegistryEntry[] = [];
  await followLog({
    key: parseNoteKey(registry.logKey),
    from: EMPTY_FRONTIER,
    readCheckpoint: async () => (await fetch(registry.at("/log/checkpoint"))).text(),
    readTile: async (id: TileId) =>
      new Uint8Array(await (await fetch(registry.at(`/log/${tilePath(id)}`))).arrayBuffer()),
    seen: [],
    now: new Date(),
    onEntry(bytes) {
      entries.push(parseRegistryEntry(parseJson(bytes, "entry", "INTERNAL")));
    },
  });
  return entries;
};
/** Returns the entries that `work` appended, without their times. */
const entriesOf = async (work: () => Promise<unknown>): Promise<object[]> => {
  const before = (await readEntries()).length;
  await work();
  return (await readEntries()).slice(before).map(({ at, ...entry }) => {
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.now());
    return entry;
  });
};

test("a yanked version says why, is still served, and can be restored; each change is logged once", async () => {
  const yank = { yanked: true, reason: "wrong numbers" };
  const entries = await entriesOf(async () => {
    const answers = [await put("/1.0.0/yank", yank), await put("/1.0.0/yank", yank)];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers[1]?.body).toEqual(answers[0]?.body);
  });
  expect(entries).toEqual([{ type: "yank", name: "acme/hello", version: "1.0.0", ...yank }]);
  expect((await version()).state).toEqual({ yanked: "wrong numbers", quarantined: null });
  expect((await version("2.0.0")).state).toEqual({ yanked: null, quarantined: null });
  expect((await download())[0]).toBe(200);
  const { versions } = parsePackVersions((await registry.read(PACK)).body);
  expect(versions.map(({ state }) => state.yanked)).toEqual([null, "wrong numbers"]);
  await put("/1.0.0/yank", { yanked: false, reason: "they were right" });
  expect((await version()).state.yanked).toBeNull();
});

test("a deprecation shows on every version, and can be withdrawn", async () => {
  const entries = await entriesOf(() => put("/deprecation", { message: "Use acme/greet." }));
  expect(entries).toEqual([{ type: "deprecate", name: "acme/hello", message: "Use acme/greet." }]);
  expect((await version("2.0.0")).deprecated).toBe("Use acme/greet.");
  expect(parsePackVersions((await registry.read(PACK)).body).deprecated).toBe("Use acme/greet.");
  await put("/deprecation", { message: null });
  expect((await version()).deprecated).toBeNull();
});

test("an advisory shows on the versions of its range; only the operator changes the operator's", async () => {
  const entries = await entriesOf(() => put("/advisories/ACME-1", FAULT));
  expect(entries).toEqual([{ type: "advisory", name: "acme/hello", id: "ACME-1", ...FAULT }]);
  expect((await version()).advisories).toMatchObject([{ id: "ACME-1", by: "publisher" }]);
  expect((await version("2.0.0")).advisories).toEqual([]);
  expect((await operate("/advisories/REG-1", { ...FAULT, range: "*" })).status).toBe(200);
  expect((await version("2.0.0")).advisories).toMatchObject([{ id: "REG-1", by: "operator" }]);
  const refused = await put("/advisories/REG-1", { ...FAULT, withdrawn: true });
  expect([refused.status, codeOf(refused)]).toEqual([403, "FORBIDDEN"]);
  const answer = await put("/advisories/ACME-1", { ...FAULT, withdrawn: true });
  expect((answer.body as PackLife).advisories.map(({ id }) => id)).toEqual(["REG-1"]);
});

test("a quarantined version is not served until the operator releases it", async () => {
  const stop = { quarantined: true, reason: "reads too much" };
  const refused = await put("/2.0.0/quarantine", stop);
  expect([refused.status, codeOf(refused)]).toEqual([403, "FORBIDDEN"]);
  const entries = await entriesOf(() => operate("/2.0.0/quarantine", stop));
  expect(entries).toEqual([{ type: "quarantine", name: "acme/hello", version: "2.0.0", ...stop }]);
  const [status, text] = await download("2.0.0");
  expect([status, text.includes("VERSION_QUARANTINED")]).toEqual([410, true]);
  expect((await version("2.0.0")).state.quarantined).toBe("reads too much");
  expect((await download("1.0.0"))[0]).toBe(200);
  // Publishing the same bytes does not end the quarantine.
  expect((await publish("2.0.0")).status).toBe(200);
  expect((await download("2.0.0"))[0]).toBe(410);
  await operate("/2.0.0/quarantine", { quarantined: false, reason: "looked at" });
  expect((await download("2.0.0"))[0]).toBe(200);
});

test("no cache keeps the refusal of a quarantined archive, in any form of request", async () => {
  const path = registry.at(`${PACK}/2.0.0/archive`);
  const served = await fetch(path);
  expect(served.headers.get("cache-control")).toContain("immutable");
  const etag = served.headers.get("etag") ?? "";
  const refusals = async () => {
    const asked: [string, Record<string, string>][] = [
      ["GET", {}],
      ["HEAD", {}],
      ["GET", { "if-none-match": etag }],
      ["GET", { range: "bytes=0-1", "if-range": etag }],
    ];
    const answers = asked.map(([method, headers]) => fetch(path, { method, headers }));
    return (await Promise.all(answers)).map(({ status, headers }) => [
      status,
      headers.get("cache-control"),
    ]);
  };
  await operate("/2.0.0/quarantine", { quarantined: true, reason: "reads too much" });
  expect(await refusals()).toEqual(Array.from({ length: 4 }, () => [410, "no-store"]));
  await operate("/2.0.0/quarantine", { quarantined: false, reason: "looked at" });
  expect((await fetch(path)).headers.get("cache-control")).toContain("immutable");
  for (const other of [`${PACK}/9.9.9/archive`, "/none", "/packs/acme/none", "/%"]) {
    const { status, headers } = await fetch(registry.at(other));
    expect([other, status >= 400, headers.get("cache-control")]).toEqual([other, true, "no-store"]);
  }
  const beyond = await fetch(path, { headers: { range: "bytes=9999999-" } });
  expect([beyond.status, beyond.headers.get("cache-control")]).toEqual([416, "no-store"]);
});

test.each<[string, string, object, string]>([
  ["an unknown version", "/9.9.9/yank", { yanked: true, reason: "x" }, "NOT_FOUND"],
  ["an invalid version", "/latest/yank", { yanked: true, reason: "x" }, "BAD_REQUEST"],
  ["no reason", "/1.0.0/yank", { yanked: true, reason: "" }, "BAD_REQUEST"],
  ["an invalid range", "/advisories/ACME-2", { ...FAULT, range: "all" }, "BAD_REQUEST"],
  ["an id in small letters", "/advisories/acme-2", FAULT, "BAD_REQUEST"],
  ["an unknown severity", "/advisories/ACME-2", { ...FAULT, severity: "bad" }, "BAD_REQUEST"],
])("%s is refused, and nothing is logged", async (_what, path, body, code) => {
  const entries = await entriesOf(async () => expect(codeOf(await put(path, body))).toBe(code));
  expect(entries).toEqual([]);
});

test("an unknown pack cannot be changed", async () => {
  const path = "/api/v1/packs/acme/none/deprecation";
  expect(codeOf(await registry.send("PUT", path, owner, { message: "x" }))).toBe("NOT_FOUND");
});

test("many concurrent changes are all stored and all logged", async () => {
  const ids = Array.from({ length: 20 }, (_, index) => `MANY-${index}`);
  const entries = await entriesOf(() =>
    Promise.all(ids.map((id) => put(`/advisories/${id}`, FAULT))),
  );
  expect(entries.length).toBe(20);
  expect((await version()).advisories.length).toBeGreaterThanOrEqual(20);
});

test("acknowledged changes survive a kill, in the log and in the answers", async () => {
  await put("/1.0.0/yank", { yanked: true, reason: "before the kill" });
  await registry.stop("SIGKILL");
  await registry.start();
  expect((await version()).state.yanked).toBe("before the kill");
  expect((await readEntries()).at(-1)).toMatchObject({ type: "yank", reason: "before the kill" });
});

test.each(["two\nlines", "\u001b[2J", "\u202eback", "zero\u200bwidth", "\0"])(
  "a statement with text that does not show is refused: %j",
  async (text) => {
    const wishes = [
      put("/1.0.0/yank", { yanked: true, reason: text }),
      put("/deprecation", { message: text }),
      put("/advisories/ACME-9", { ...FAULT, text }),
      operate("/1.0.0/quarantine", { quarantined: true, reason: text }),
    ];
    for (const answer of await Promise.all(wishes)) expect(codeOf(answer)).toBe("BAD_REQUEST");
  },
);
