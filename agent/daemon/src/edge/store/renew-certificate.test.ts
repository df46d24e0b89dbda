import { generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuthority, openAuthority } from "@sonde/trust/ca";
import { afterAll, expect, test } from "vitest";
import { IDENTITY_FILES, type Identity } from "./identity.ts";
import { renewCertificate } from "./renew-certificate.ts";

const folder = mkdtempSync(join(tmpdir(), "sonde-renew-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hubId = randomUUID();
const agentId = randomUUID();
const DAY_MS = 24 * 3_600_000;

async function setUp() {
  const files = await createAuthority(hubId, new Date());
  const keys = generateKeyPairSync("ed25519");
  const issue = async (
    daysFromNow: number,
    change: { publicKey?: typeof keys.publicKey; agentId?: string } = {},
  ) => {
    const authority = await openAuthority(files, () => new Date(Date.now() + daysFromNow * DAY_MS));
    const request = { publicKey: keys.publicKey, hubId, agentId, ...change };
    return (await authority.issueAgentCertificate(request)).certificate;
  };
  const identity: Identity = {
    hubId,
    agentId,
    agentName: "web-1",
    controlAddress: "localhost:1",
    hubKey: keys.publicKey,
    registryHead: null,
    key: keys.privateKey,
    certificate: await issue(0),
    ca: files.certificate,
  };
  return { identity, issue };
}

test("the hub's next certificate for this key replaces the present one", async () => {
  const { identity, issue } = await setUp();
  const next = await issue(3);
  expect(renewCertificate(folder, identity, next).certificate).toBe(next);
  expect(readFileSync(join(folder, IDENTITY_FILES.certificate), "utf8")).toBe(next);
});

test("any other certificate is refused and nothing changes", async () => {
  const { identity, issue } = await setUp();
  const kept = await issue(1);
  renewCertificate(folder, identity, kept);
  const stranger = await setUp();
  const others = {
    "another key": await issue(3, { publicKey: generateKeyPairSync("ed25519").publicKey }),
    "another agent": await issue(3, { agentId: randomUUID() }),
    "another CA": await stranger.issue(3, { publicKey: identity.hubKey }),
    "an older one": await issue(-1),
    "no certificate": "-----BEGIN CERTIFICATE-----",
  };
  for (const [what, pem] of Object.entries(others)) {
    expect(() => renewCertificate(folder, identity, pem), what).toThrowError(
      expect.objectContaining({ code: "CERTIFICATE_REFUSED" }),
    );
  }
  expect(readFileSync(join(folder, IDENTITY_FILES.certificate), "utf8")).toBe(kept);
});
