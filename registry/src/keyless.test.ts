import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AuditPage } from "@sonde/schemas/audit";
import {
  type AddedIdentity,
  type PublisherList,
  parsePublishedVersion,
} from "@sonde/schemas/registry";
import { buildSampleArchive, createSampleKey, signSample } from "@sonde/trust/testing";
import { createTestSigstore, signKeylessSample } from "@sonde/trust/testing/sigstore";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, codeOf, TestRegistry } from "./testing/test-registry.ts";

const folder = mkdtempSync(join(tmpdir(), "sonde-registry-root-"));
const trustedRootFile = join(folder, "trusted-root.json");
const sigstore = await createTestSigstore();
const who = {
  issuer: "https://issuer.example",
  identity: "https://example.com/robot",
  repositoryId: "7",
};
let registry: TestRegistry;

beforeAll(async () => {
  chmodSync(folder, 0o755);
  writeFileSync(trustedRootFile, JSON.stringify(sigstore.trustedRoot), { mode: 0o644 });
  registry = await TestRegistry.start({ trustedRootFile });
}, 120_000);
afterAll(async () => {
  await registry?.close();
  rmSync(folder, { recursive: true });
});

test("a publisher signs by the identities that the operator added, and by no other", async () => {
  const answered = await registry.operate("POST", "/identities", { publisher: "robot", ...who });
  const { token: bearer, ...added } = answered.body as AddedIdentity;
  expect(added).toEqual({ publisher: "robot", ...who, expiresAt: expect.any(String) });
  const archive = buildSampleArchive({ manifest: { name: "robot/hello" } });
  const send = (bundle: string): Promise<Answer> =>
    registry.publish({ archive, bundle, bearer, path: "robot/hello/1.0.0" });
  const sign = (request: object, by = sigstore): Promise<string> =>
    signKeylessSample(by, archive, { ...who, ...request });

  const refused = [
    await send(await sign({ identity: `${who.identity}s` })),
    await send(await sign({ repositoryId: "8" })),
    await send(signSample(archive, createSampleKey())),
  ];
  expect(refused.map(codeOf)).toEqual(refused.map(() => "SIGNER_UNTRUSTED"));
  expect(codeOf(await send(await sign({}, await createTestSigstore())))).toBe("SIGNATURE_INVALID");
  const answer = await send(await sign({}));
  expect(answer.status).toBe(201);
  expect(parsePublishedVersion(answer.body).signer).toMatchObject({
    kind: "keyless",
    publisher: "robot",
    ...who,
  });

  // The same identity may not sign for a publisher that has a key only.
  const other = buildSampleArchive();
  const foreign = await registry.publish({
    archive: other,
    bundle: await signKeylessSample(sigstore, other, who),
    bearer: await registry.addPublisher("acme", createSampleKey()),
    path: "acme/hello/1.0.0",
  });
  expect(codeOf(foreign)).toBe("SIGNER_UNTRUSTED");
  // The verification refuses it, and not only the last look before it is stored.
  expect(JSON.stringify(foreign.body)).not.toContain("expected an identity of acme");
});

test("a removed identity's signatures are refused from then on, also one that is being checked", async () => {
  const one = { issuer: who.issuer, identity: "https://example.com/removed" };
  const withRepository = { ...one, repositoryId: "9" };
  const add = (identity: object): Promise<Answer> =>
    registry.operate("POST", "/identities", { publisher: "gone", ...identity });
  const { token: bearer } = (await add(one)).body as AddedIdentity;
  await add(withRepository);
  const publish = async (version: string, identity: typeof withRepository): Promise<Answer> => {
    const archive = buildSampleArchive({ manifest: { name: "gone/hello", version } });
    const bundle = await signKeylessSample(sigstore, archive, identity);
    return await registry.publish({ archive, bundle, bearer, path: `gone/hello/${version}` });
  };
  const remove = (identity: Record<string, string>): Promise<Answer> =>
    registry.operate(
      "DELETE",
      `/publishers/gone/identities?${new URLSearchParams(identity).toString()}`,
    );
  const listed = async () => {
    const { publishers } = (await registry.operate("GET", "/publishers")).body as PublisherList;
    return publishers.find(({ name }) => name === "gone")?.identities;
  };
  expect((await publish("1.0.0", withRepository)).status).toBe(201);
  expect(await listed()).toEqual([one, withRepository]);

  const [checker = 0] = registry.checkers();
  process.kill(checker, "SIGSTOP");
  const late = publish("1.0.1", withRepository);
  const uploads = join(registry.dataDir, "uploads");
  await expect.poll(() => readdirSync(uploads).length).toBe(1);
  // Long enough for the identities to be read and the check to begin.
  await sleep(500);
  expect((await remove(withRepository)).status).toBe(200);
  process.kill(checker, "SIGCONT");
  expect(codeOf(await late)).toBe("SIGNER_UNTRUSTED");

  expect(codeOf(await publish("1.0.2", withRepository))).toBe("SIGNER_UNTRUSTED");
  expect(await listed()).toEqual([one]);
  expect(codeOf(await remove(withRepository))).toBe("NOT_FOUND");
  expect(codeOf(await remove({ issuer: "https://x" }))).toBe("BAD_REQUEST");
  const { body } = await registry.operate("GET", "/audit?afterSeq=0&limit=1000");
  const removals = (body as AuditPage).entries.flatMap(({ record }) =>
    record.event === "publisher-identity.removed" ? [[record.principal, record.detail]] : [],
  );
  expect(removals).toEqual([["operator", { publisher: "gone", ...withRepository }]]);
});

test("an invalid trusted root stops the start", async () => {
  const config = join(folder, "bad.json");
  writeFileSync(join(folder, "none.json"), "{}", { mode: 0o644 });
  registry.writeConfig(config, { trustedRootFile: join(folder, "none.json") });
  const { code, out } = await registry.runToEnd([config]);
  expect(code).toBe(1);
  expect(out).toContain("CONFIG_INVALID");
});
