import { rmSync } from "node:fs";
import { join } from "node:path";
import { parseJson } from "@sonde/schemas/parse";
import {
  parseIndexLine,
  parsePackList,
  parsePackVersions,
  parsePublishedVersion,
  parseResolvedVersion,
  parseVersionDetails,
} from "@sonde/schemas/registry";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TestPublisher, addTestPublisher } from "./testing/test-publisher.ts";
import { type Answer, TestRegistry, codeOf } from "./testing/test-registry.ts";

// Which version people and tools are pointed to, as versions are published, withdrawn and restored.

let registry: TestRegistry;
let acme: TestPublisher;

beforeAll(async () => {
  registry = await TestRegistry.start();
  acme = await addTestPublisher(registry, "acme");
});
afterAll(() => registry.close());

/** Words in a version's description and README that only this version has. */
const wordOf = (version: string): string =>
  `word${version.replaceAll(/[^0-9a-z]/g, "x").replaceAll(/[0-9]/g, (digit) => "abcdefghij"[Number(digit)] ?? "")}`;
const publish = (pack: string, version: string, agent = ">=0.1.0"): Promise<void> =>
  acme.publish(pack, version, {
    manifest: { description: `Is of ${version}.`, engines: { agent } },
    readme: `# Hello\n\n${wordOf(version)}\n`,
  });
const yank = (pack: string, version: string, yanked = true): Promise<Answer> =>
  acme.say(`${pack}/${version}/yank`, { yanked, reason: "wrong numbers" });
const quarantine = (pack: string, version: string, quarantined = true): Promise<Answer> =>
  registry.operate("PUT", `/api/v1/packs/acme/${pack}/${version}/quarantine`, {
    ...{ quarantined, reason: "reads too much" },
  });
const resolve = (pack: string, query: Record<string, string>): Promise<Answer> =>
  registry.read(`/api/v1/packs/acme/${pack}/resolve?${new URLSearchParams(query).toString()}`);
const page = async (path: string): Promise<string> => (await fetch(registry.at(path))).text();

/** Returns what each answer that names a latest version says. */
async function latestOf(pack: string, someVersion: string) {
  const path = `/api/v1/packs/acme/${pack}`;
  const inList = async (list: string) =>
    parsePackList((await registry.read(list)).body).packs.find(
      ({ name }) => name === `acme/${pack}`,
    );
  const found = await inList(`/api/v1/search?q=${pack}`);
  const all = [
    found?.latest,
    (await inList("/api/v1/packs"))?.latest,
    parsePackVersions((await registry.read(path)).body).latest,
    parseVersionDetails((await registry.read(`${path}/${someVersion}/details`)).body).latest,
  ];
  expect(new Set(all).size, JSON.stringify(all)).toBe(1);
  return { latest: all[0], description: found?.description };
}
const titleOf = (text: string): string => /<title>([^<]*)/.exec(text)?.[1] ?? "";

test("every answer's latest is the highest release that is not withdrawn", async () => {
  const latest = () => latestOf("turbine", "1.0.0");
  const says = (version: string) => ({ latest: version, description: `Is of ${version}.` });
  await publish("turbine", "2.0.0-rc.1");
  expect(await latestOf("turbine", "2.0.0-rc.1")).toEqual(says("2.0.0-rc.1"));
  await publish("turbine", "1.0.0");
  expect(await latest()).toEqual(says("1.0.0"));
  await publish("turbine", "1.10.0");
  await publish("turbine", "1.9.0");
  expect(await latest()).toEqual(says("1.10.0"));

  await yank("turbine", "1.10.0");
  expect(await latest()).toEqual(says("1.9.0"));
  await quarantine("turbine", "1.9.0");
  expect(await latest()).toEqual(says("1.0.0"));
  expect(titleOf(await page("/packs/acme/turbine"))).toContain("acme/turbine 1.0.0");
  // A withdrawn version's words find nothing.
  const find = async (version: string) =>
    parsePackList((await registry.read(`/api/v1/search?q=${wordOf(version)}`)).body).packs.length;
  expect([await find("1.0.0"), await find("1.9.0"), await find("1.10.0")]).toEqual([1, 0, 0]);

  await yank("turbine", "1.0.0");
  expect(await latest()).toEqual(says("2.0.0-rc.1"));
  await yank("turbine", "1.10.0", false);
  expect(await latest()).toEqual(says("1.10.0"));
  expect(await find("1.10.0")).toBe(1);
});

test("a pack with all versions withdrawn says so in words", async () => {
  await publish("mill", "1.0.0");
  await publish("mill", "1.1.0");
  await yank("mill", "1.0.0");
  await quarantine("mill", "1.1.0");
  expect(await latestOf("mill", "1.0.0")).toEqual({
    latest: null,
    description: "Is of 1.1.0.",
  });
  const shown = await page("/packs/acme/mill");
  expect(titleOf(shown)).toContain("acme/mill 1.1.0");
  expect(shown).toContain("Every version of this pack was yanked or quarantined.");
  expect(await page("/?q=mill")).toContain("every version withdrawn");
  await publish("mill", "0.9.0");
  expect((await latestOf("mill", "1.0.0")).latest).toBe("0.9.0");
  expect(await page("/packs/acme/mill")).not.toContain("Every version");
});

test("a withdrawal succeeds when the archive cannot be read", async () => {
  await publish("broken", "1.0.0");
  await publish("broken", "1.1.0");
  const { body } = await registry.read("/api/v1/packs/acme/broken/1.0.0");
  const { digest } = parsePublishedVersion(body);
  rmSync(join(registry.dataDir, "archives", `${digest.slice("sha256:".length)}.tgz`));
  expect((await quarantine("broken", "1.1.0")).status).toBe(200);
  const { body: list } = await registry.read("/api/v1/search?q=broken");
  expect(parsePackList(list).packs[0]).toMatchObject({ latest: "1.0.0" });
});

test("concurrent publishes and withdrawals leave the right latest", async () => {
  await publish("many", "1.0.0");
  await Promise.all([
    ...[1, 2, 3, 4].map((minor) => publish("many", `1.${minor}.0`)),
    yank("many", "1.0.0"),
  ]);
  await Promise.all([
    publish("many", "1.5.0"),
    ...[2, 3, 4].map((minor) => yank("many", `1.${minor}.0`)),
  ]);
  expect((await latestOf("many", "1.0.0")).latest).toBe("1.5.0");
  await yank("many", "1.5.0");
  expect((await latestOf("many", "1.0.0")).latest).toBe("1.1.0");
});

test("a range resolves by the hub's rule to the highest version that is not withdrawn", async () => {
  await publish("rotor", "1.0.0");
  await publish("rotor", "1.2.0");
  await publish("rotor", "1.3.0", ">=9.0.0");
  await publish("rotor", "2.0.0-beta.1");
  const meant = async (query: Record<string, string>) =>
    parseResolvedVersion((await resolve("rotor", query)).body).version;
  const refusal = async (query: Record<string, string>) => {
    const answer = await resolve("rotor", query);
    return [answer.status, codeOf(answer)];
  };
  expect(await meant({ range: "^1" })).toBe("1.3.0");
  expect(await meant({ range: "*", agent: "0.1.0" })).toBe("1.2.0");
  expect(await meant({ range: "^2.0.0-beta" })).toBe("2.0.0-beta.1");
  expect(await refusal({ range: "^2" })).toEqual([404, "NOT_FOUND"]);
  expect(await refusal({ range: "latest" })).toEqual([400, "BAD_REQUEST"]);
  expect(await refusal({ range: "" })).toEqual([400, "BAD_REQUEST"]);
  expect(await refusal({})).toEqual([400, "BAD_REQUEST"]);
  expect(await refusal({ range: "1.3.0", agent: "0.1.0" })).toEqual([
    409,
    "PACK_NEEDS_NEWER_AGENT",
  ]);
  await yank("rotor", "1.2.0");
  expect(await meant({ range: "^1", agent: "0.1.0" })).toBe("1.0.0");
  expect(await meant({ range: "1.2.0" })).toBe("1.2.0");
  await quarantine("rotor", "1.2.0");
  expect(await refusal({ range: "1.2.0" })).toEqual([403, "PACK_QUARANTINED"]);
  const none = await resolve("none", { range: "^1" });
  expect([none.status, codeOf(none)]).toEqual([404, "NOT_FOUND"]);
});

test("the index changes with each entry about its pack, and with no other", async () => {
  await publish("barn", "1.0.0");
  await publish("barn", "1.1.0");
  const path = registry.at("/index/acme/barn");
  const read = async () => {
    const response = await fetch(path);
    const lines = (await response.text()).trimEnd().split("\n");
    return {
      etag: response.headers.get("etag") ?? "",
      states: lines.map((line) => parseIndexLine(parseJson(line, "line", "BAD_REQUEST")).state),
    };
  };
  const still = { yanked: null, quarantined: null };
  const before = await read();
  expect(before.states).toEqual([still, still]);
  await publish("field", "1.0.0");
  expect(await read()).toEqual(before);
  await yank("barn", "1.0.0");
  await quarantine("barn", "1.1.0");
  const after = await read();
  expect(after.states).toEqual([
    { yanked: "wrong numbers", quarantined: null },
    { yanked: null, quarantined: "reads too much" },
  ]);
  expect(after.etag).not.toBe(before.etag);
  await yank("barn", "1.0.0", false);
  await quarantine("barn", "1.1.0", false);
  // The same bytes have the same ETag.
  expect(await read()).toEqual(before);
});
