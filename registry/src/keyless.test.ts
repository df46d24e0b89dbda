import { mkdtempSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AddedIdentity, parsePublishedVersion } from "@sonde/schemas/registry";
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
  expect(
    codeOf(
      await registry.publish({
        archive: other,
        bundle: await signKeylessSample(sigstore, other, who),
        bearer: await registry.addPublisher("acme", createSampleKey()),
        path: "acme/hello/1.0.0",
      }),
    ),
  ).toBe("SIGNER_UNTRUSTED");
});

test("an invalid trusted root stops the start", async () => {
  const config = join(folder, "bad.json");
  writeFileSync(join(folder, "none.json"), "{}", { mode: 0o644 });
  registry.writeConfig(config, { trustedRootFile: join(folder, "none.json") });
  const { code, out } = await registry.runToEnd([config]);
  expect(code).toBe(1);
  expect(out).toContain("CONFIG_INVALID");
});
