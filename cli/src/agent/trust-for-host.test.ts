import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TrustPolicy } from "@sonde/schemas/trust";
import { buildSamplePolicy, createSampleKey, type SampleKey } from "@sonde/trust/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readKeyId } from "../trust-policy-file.ts";
import { settleTrust } from "./trust-for-host.ts";

// A test has no terminal, so a question is answered by nobody.
const acme: SampleKey = createSampleKey();
const POLICY = buildSamplePolicy({ acme: [acme] }, { registry: "https://hub.example:4315" });
let folder: string;
let path: string;
let printed: string[];
const print = (text: string): void => void printed.push(text);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sonde-trust-"));
  path = join(folder, "trust.json");
  printed = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function offer(policy: Partial<TrustPolicy> = {}, mode = 0o644): string {
  const file = join(folder, "offered.json");
  writeFileSync(file, JSON.stringify({ ...POLICY, ...policy }));
  chmodSync(file, mode);
  return file;
}
const settle = (trust?: string, yes?: true) =>
  settleTrust(
    path,
    { ...(trust !== undefined && { trust }), ...(yes !== undefined && { yes }) },
    print,
  );

test.each([
  ["", undefined],
  [", also with --json", true],
] as const)(
  "without a yes nothing is trusted, and everything is shown by fingerprint%s",
  async (_how, json) => {
    const options = { trust: offer(), ...(json && { json }) };
    await expect(settleTrust(path, options, print)).rejects.toMatchObject({ code: "FORBIDDEN" });
    expect(existsSync(path)).toBe(false);
    expect(printed.join("\n")).toContain("registry  https://hub.example:4315");
    expect(printed.join("\n")).toContain(`acme  key ${readKeyId(acme.publicKeyPem)}`);
  },
);

test("with a yes exactly the file is trusted, and is not asked about again", async () => {
  await settle(offer(), true);
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(POLICY);
  await settle(offer());
  await settle();
});

test("another file than what is trusted is asked about", async () => {
  await settle(offer(), true);
  const other = offer({ publishers: {} });
  await expect(settle(other)).rejects.toMatchObject({ code: "FORBIDDEN" });
  expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(POLICY);
});

test("without a policy and without a file nothing goes on", async () => {
  await expect(settle()).rejects.toMatchObject({ code: "CONFIG_INVALID" });
});

test.each<[string, Partial<TrustPolicy>, number]>([
  ["accepts unsigned packs", { allowUnsignedPacks: true }, 0o644],
  ["names a folder of local packs", { localPacks: "/srv/packs" }, 0o644],
  ["has a registry in clear text", { registry: "http://hub.example:4311" }, 0o644],
  [
    "has no certificate where one is named",
    { registryCa: "-----BEGIN CERTIFICATE-----AA-----END CERTIFICATE-----" },
    0o644,
  ],
  ["everybody can write", {}, 0o646],
])("a policy that %s is refused, also with a yes", async (_what, policy, mode) => {
  await expect(settle(offer(policy, mode), true)).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  expect(existsSync(path)).toBe(false);
});

test("a file that is missing or no JSON is refused", async () => {
  await expect(settle(join(folder, "none"), true)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
  });
  writeFileSync(join(folder, "text"), "trust me");
  await expect(settle(join(folder, "text"), true)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
  });
});
