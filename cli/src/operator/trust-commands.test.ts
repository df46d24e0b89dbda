import { execFile } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { parseTrustPolicy, type TrustPolicy } from "@sonde/schemas/trust";
import { buildSamplePolicy } from "@sonde/trust/testing";
import { createTestSigstore } from "@sonde/trust/testing/sigstore";
import { Command } from "commander";
import { afterAll, expect, test } from "vitest";
import { layoutOf } from "../data-layout.ts";
import { addTrustCommands } from "./trust-commands.ts";

const execFileAsync = promisify(execFile);
const data = mkdtempSync(path.join(tmpdir(), "sonde-trust-"));
const { trustPolicy } = layoutOf(data);
const rootFile = path.join(data, "trusted-root.json");
const { trustedRoot } = await createTestSigstore();
mkdirSync(path.dirname(trustPolicy), { recursive: true });
writeFileSync(trustPolicy, JSON.stringify(buildSamplePolicy({})));
writeFileSync(rootFile, JSON.stringify(trustedRoot));
afterAll(() => rmSync(data, { recursive: true }));

async function run(...args: string[]): Promise<string> {
  const printed: string[] = [];
  const program = new Command().exitOverride();
  addTrustCommands(program, (text) => printed.push(text));
  await program.parseAsync(["trust", ...args, "--data", data], { from: "user" });
  return printed.join("\n");
}

const refusalOf = (...args: string[]): Promise<string> =>
  run(...args).then(
    () => "accepted",
    (error: unknown) => (error as { code: string }).code,
  );

const read = (): TrustPolicy => parseTrustPolicy(JSON.parse(readFileSync(trustPolicy, "utf8")));

const who = ["--issuer", "https://issuer.example", "--identity", "https://example.com/acme"];

test("attack 8: a policy that has a publisher twice is refused and not written", async () => {
  const kept = readFileSync(trustPolicy, "utf8");
  const twice = kept.replace("{", '{"publishers":{},');
  writeFileSync(trustPolicy, twice);
  expect(await refusalOf("add", "acme", ...who, "--trusted-root", rootFile)).toBe("CONFIG_INVALID");
  expect(readFileSync(trustPolicy, "utf8")).toBe(twice);
  writeFileSync(trustPolicy, kept);
});

test("an identity needs a pinned root, and both are stored", async () => {
  expect(await refusalOf("add", "acme", ...who)).toBe("BAD_REQUEST");
  writeFileSync(path.join(data, "bad.json"), JSON.stringify({ ...trustedRoot, tlogs: [] }));
  const bad = ["--trusted-root", path.join(data, "bad.json")];
  expect(await refusalOf("add", "acme", ...who, ...bad)).toBe("CONFIG_INVALID");
  expect(read()).toEqual(buildSamplePolicy({}));

  const said = await run("add", "acme", ...who, "--trusted-root", rootFile);
  expect(said).toContain("https://example.com/acme of https://issuer.example");
  const identity = { issuer: "https://issuer.example", identity: "https://example.com/acme" };
  const kept = { ...buildSamplePolicy({}), trustedRoot };
  expect(read()).toEqual({ ...kept, publishers: { acme: { keys: [], identities: [identity] } } });

  // The root stays. Adding the same identity again changes nothing; another repository number is
  // another identity.
  await run("add", "acme", ...who);
  await run("add", "acme", ...who, "--repository-id", "7");
  const both = [identity, { ...identity, repositoryId: "7" }];
  expect(read()).toEqual({ ...kept, publishers: { acme: { keys: [], identities: both } } });
});

test("unsigned packs are allowed only from one folder that no other user can write to", async () => {
  const folder = path.join(data, "own packs");
  const said = await run("allow-unsigned", folder);
  expect(said).toContain(folder);
  expect(said).toContain("sonde trust demand-signed");
  expect(read()).toMatchObject({ allowUnsignedPacks: true, localPacks: folder });
  const link = path.join(data, "link to them");
  symlinkSync(folder, link);
  await run("allow-unsigned", link);
  expect(read().localPacks).toBe(folder);
  chmodSync(folder, 0o777);
  expect(await refusalOf("allow-unsigned", folder)).toBe("CONFIG_INVALID");
  expect(await refusalOf("allow-unsigned", rootFile)).toBe("BAD_REQUEST");
  expect(JSON.parse(await run("demand-signed", "--json"))).toEqual({ policy: trustPolicy });
  expect(read().allowUnsignedPacks).toBe(false);
  expect(read()).not.toHaveProperty("localPacks");
});

test.each([
  ["neither", []],
  ["half an identity", who.slice(0, 2)],
  ["both", [...who, "--key", "x"]],
  ["a number that is none", [...who, "--repository-id", "1 or 1"]],
  ["a root for a key", ["--key", "x", "--trusted-root", rootFile]],
])("%s is a wrong request", async (_what, args) => {
  expect(await refusalOf("add", "acme", ...args)).toBe("BAD_REQUEST");
});

test("a root from a file can be pinned, if it is valid", async () => {
  const { trustedRoot: other } = await createTestSigstore();
  const file = path.join(data, "imported.json");
  writeFileSync(file, JSON.stringify(other));
  const said = await run("update-root", "--from", file);
  expect(said).toContain(file);
  expect(read().trustedRoot).toEqual(other);
  writeFileSync(file, JSON.stringify({ ...other, tlogs: [] }));
  expect(await refusalOf("update-root", "--from", file)).toBe("CONFIG_INVALID");
  expect(await refusalOf("update-root", "--from", `${file}.none`)).toBe("NOT_FOUND");
  expect(read().trustedRoot).toEqual(other);
});

test("attack 74: six commands at once keep all six keys, each having said so", async () => {
  const names = ["one", "two", "three", "four", "five", "six"];
  writeFileSync(trustPolicy, JSON.stringify(buildSamplePolicy({})));
  const program = path.resolve(import.meta.dirname, "../sonde.ts");
  const said = await Promise.all(
    names.map(async (name) => {
      const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 3072 });
      const keyFile = path.join(data, `${name}.pub`);
      writeFileSync(keyFile, publicKey.export({ type: "spki", format: "pem" }));
      const args = ["--conditions=sonde:source", program, "trust", "add", name, "--key", keyFile];
      const { stdout } = await execFileAsync(process.execPath, [...args, "--data", data]);
      // Durable once it is said: whatever ends this command's machine now, the key is there.
      expect(read().publishers[name]?.keys).toHaveLength(1);
      return stdout;
    }),
  );
  expect(said.filter((text) => text.includes("are accepted"))).toHaveLength(6);
  expect(Object.keys(read().publishers).toSorted()).toEqual(names.toSorted());
  expect(readdirSync(path.dirname(trustPolicy)).toSorted()).toEqual([
    "trust.json",
    "trust.json.lock",
  ]);
});
