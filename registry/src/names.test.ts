import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parsePublishedVersion } from "@sonde/schemas/registry";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, TestRegistry, codeOf, signUpload } from "./testing/test-registry.ts";

let registry: TestRegistry;
let key: SampleKey;
const tokens = new Map<string, string>();

beforeAll(async () => {
  registry = await TestRegistry.start();
  key = createSampleKey();
  for (const name of ["acme", "zeta"]) tokens.set(name, await registry.addPublisher(name, key));
}, 120_000);
afterAll(() => registry.close());

const publish = (name: string, version = "1.0.0"): Promise<Answer> => {
  const archive = buildSampleArchive({ manifest: { name, version } });
  const token = tokens.get(name.slice(0, name.indexOf("/"))) ?? "";
  return registry.publish(signUpload(archive, `${name}/${version}`, key, token));
};
const addPublisher = (name: string, more: object = {}): Promise<Answer> =>
  registry.operate("POST", "/publishers", { name, publicKey: key.publicKeyPem, ...more });
const blobs = (): string[] => readdirSync(join(registry.dataDir, "archives")).toSorted();

test("a pack with a look-alike name is refused, and nothing of it is kept", async () => {
  expect((await publish("acme/docker-tools")).status).toBe(201);
  const kept = blobs();
  for (const name of ["acme/dockertools", "acme/d0cker-t00ls"]) {
    const answer = await publish(name);
    expect([answer.status, codeOf(answer)]).toEqual([409, "NAME_REFUSED"]);
  }
  expect(blobs()).toEqual(kept);
  expect((await publish("acme/docker-tools", "1.1.0")).status).toBe(201);
  expect((await publish("zeta/docker-tools")).status).toBe(201);
});

test("of concurrent look-alikes exactly one wins, and only its archive is kept", async () => {
  const lookAlikes = (word: string) => [
    ...[word, word.replace("o", "0"), `${word.slice(0, 2)}-${word.slice(2)}`],
    ...[`${word.slice(0, 3)}-${word.slice(3)}`, word.split("").join("-")],
  ];
  // Several rounds, since the publishes of one may happen to come one after the other.
  for (const word of ["modern", "modest", "polite", "common", "border"]) {
    const kept = blobs().length;
    const answers = await Promise.all(lookAlikes(word).map((name) => publish(`acme/${name}`)));
    expect(answers.filter(({ status }) => status === 201).length).toBe(1);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused.map(codeOf)).toEqual(Array(4).fill("NAME_REFUSED"));
    expect(blobs().length).toBe(kept + 1);
  }
});

test("a name near to a known pack is published with a lasting warning", async () => {
  const answer = await publish("zeta/dokcer-tools");
  expect(answer.status).toBe(201);
  const { warnings, checks } = parsePublishedVersion(answer.body);
  expect(warnings).toEqual([expect.stringContaining("acme/docker-tools")]);
  expect(checks).toContainEqual({ step: "name", outcome: "passed" });
  expect((await publish("zeta/dokcer-tools")).body).toEqual(answer.body);
  expect((await registry.read("/api/v1/packs/zeta/dokcer-tools/1.0.0")).body).toEqual(answer.body);
  const next = parsePublishedVersion((await publish("zeta/dokcer-tools", "1.0.1")).body);
  expect(next.warnings).toEqual([]);
  expect(next.checks).toContainEqual({ step: "name", outcome: "not-applicable" });
  expect(next.checks).toContainEqual({ step: "code", outcome: "passed" });
});

test("a publisher with a look-alike or reserved name is refused", async () => {
  for (const name of ["ac-me", "acrne", "zeta-", "sonde", "s0nde", "adm1n"]) {
    const answer = await addPublisher(name);
    expect([name, answer.status, codeOf(answer)]).toEqual([name, 409, "NAME_REFUSED"]);
  }
  const race = await Promise.all(
    ["twin", "tw1n", "t-win", "twln"].map((name) => addPublisher(name)),
  );
  expect(race.filter(({ status }) => status === 200).length).toBe(1);
});

test("the operator can add a reserved name on purpose", async () => {
  expect((await addPublisher("official", { takesReserved: true })).status).toBe(200);
  expect((await addPublisher("official")).status).toBe(200);
  expect(codeOf(await addPublisher("offici-al", { takesReserved: true }))).toBe("NAME_REFUSED");
});
