import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTrustPolicy } from "@sonde/schemas/trust";
import { buildSamplePolicy, createSampleKey } from "@sonde/trust/testing";
import { Command } from "commander";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DataLayout, layoutOf } from "../data-layout.ts";
import { addTrustCommands } from "./trust-commands.ts";

/** openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Sonde registry" */
const CA = `-----BEGIN CERTIFICATE-----
MIIBiDCCAS+gAwIBAgIUTdEQRJ/00steJHAADGZmHtBt9z0wCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwOU29uZGUgcmVnaXN0cnkwIBcNMjYxMTI4MTk0MTQwWhgPMjEy
NjExMDQxOTQxNDBaMBkxFzAVBgNVBAMMDlNvbmRlIHJlZ2lzdHJ5MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAE4t1SAbPM6JgCgiVsLx+VQ/jhrJVmZ6HAvwlk1pXJ
bS0ue7nRWfrX1WjczLrjunPBpKrjgg2wHn6XbT/mTe1MNqNTMFEwHQYDVR0OBBYE
FIHlPg/FGoKqMQjh/pFXvxY7BopuMB8GA1UdIwQYMBaAFIHlPg/FGoKqMQjh/pFX
vxY7BopuMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgNJRS6r3n
TR6plYdJ3+Hmke8/kHpax52k2WXeml6u+iYCIGyHJ75mitm++ogXtE6GUyX6pH3F
eCzMuGSm89nrvHP0
-----END CERTIFICATE-----
`;
const acme = createSampleKey();
const known = buildSamplePolicy({ acme: [acme] }, { allowUnsignedPacks: true });
let layout: DataLayout;
let target: string;

beforeEach(() => {
  layout = layoutOf(mkdtempSync(join(tmpdir(), "sonde-export-")));
  target = join(layout.root, "sonde-trust.json");
  mkdirSync(layout.config);
  writeFileSync(layout.trustPolicy, JSON.stringify({ ...known, localPacks: "/srv/packs" }));
  writeFileSync(layout.registryCa, CA);
});
afterEach(() => rmSync(layout.root, { recursive: true, force: true }));

/** As a start leaves it. */
function writeEndpoints(more: object): void {
  const local = { hubUrl: "http://127.0.0.1:1", mcpUrl: "http://127.0.0.1:1/mcp", agent: "here" };
  const written = { ...local, registryUrl: "http://127.0.0.1:2", ...more };
  writeFileSync(layout.endpoints, JSON.stringify(written));
}

async function run(...args: string[]): Promise<string> {
  const printed: string[] = [];
  const program = new Command().exitOverride();
  addTrustCommands(program, (text) => printed.push(text));
  const words = ["trust", "export", target, ...args, "--data", layout.root];
  await program.parseAsync(words, { from: "user" });
  return printed.join("\n");
}
const exported = () => parseTrustPolicy(JSON.parse(readFileSync(target, "utf8")));

test("other hosts get the public registry with its authority, and demand signatures", async () => {
  writeEndpoints({
    publicRegistryUrl: "https://hub.example:4315",
    publicMcpUrl: "https://hub.example:4314/mcp",
  });
  const shown = await run();
  expect(exported()).toEqual({
    ...known,
    registry: "https://hub.example:4315",
    registryCa: CA,
    allowUnsignedPacks: false,
  });
  expect(shown).toMatch(/^its CA {4}SHA-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}$/m);
});

test("a registry on loopback is given to nobody", async () => {
  writeEndpoints({});
  await expect(run()).rejects.toMatchObject({
    code: "BAD_REQUEST",
    message: expect.stringContaining("--public-name"),
  });
});

test("a registry that runs elsewhere is named", async () => {
  await run("--registry", "https://registry.example");
  expect(exported()).toMatchObject({ registry: "https://registry.example" });
  expect(exported()).not.toHaveProperty("registryCa");
  await run("--registry", "https://registry.example", "--registry-ca", layout.registryCa);
  expect(exported()).toMatchObject({ registryCa: CA });
});
