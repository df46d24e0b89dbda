import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { startTestDatabase, type TestDatabase } from "@sonde/database/testing";
import { parsePackList } from "@sonde/schemas/registry";
import { type SignerPolicy } from "@sonde/schemas/trust";
import { verifyPack } from "@sonde/trust/pack";
import { buildAdmitProgram } from "@sonde/trust/testing";
import {
  createTestSigstore,
  serveSigstore,
  type ServedSigstore,
  type TestSigstore,
} from "@sonde/trust/testing/sigstore";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findPacks } from "../../cli/src/pack/find-packs.ts";
import { addIdentity } from "../../cli/src/registry-operator-client.ts";
import { ensureAccounts } from "../../cli/src/start/system-users.ts";

// The complete release step of CI: the script builds the official packs, signs them with a job's
// identity and publishes them in a real registry. Every service is on loopback.
const workspace = resolve(import.meta.dirname, "../..");
/** As root: sonde-pack sends a token to nobody else's registry over plain HTTP. */
const { uid, gid } = ensureAccounts().registry;
const root = mkdtempSync(join(tmpdir(), "sonde-keyless-publish-"));
const configFile = join(root, "config.json");
const JOB =
  "https://github.com/example/sonde/.github/workflows/publish-packs.yml@refs/heads/release";

let database: TestDatabase;
let sigstore: TestSigstore;
let services: ServedSigstore;
let registry: ChildProcess;
let registryUrl: string;
let token: string;

type Ended = { code: number | null; out: string };

function node(file: string, args: string[], options: object): ChildProcess {
  const flags = ["--conditions=sonde:source", "--no-node-snapshot"];
  const words = ["--no-new-privs", "--", process.execPath, ...flags];
  return spawn("setpriv", [...words, join(workspace, file), ...args], {
    ...options,
    stdio: ["pipe", "pipe", "pipe"],
  });
}

function end(child: ChildProcess): Promise<Ended> {
  let out = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => (out += chunk.toString()));
  }
  return new Promise((done) => child.on("close", (code) => done({ code, out })));
}

function publishPacks(claims: { sub: string; repository_id: string }): Promise<Ended> {
  const args = ["--registry", registryUrl, "--fulcio", services.fulcio];
  args.push("--rekor", services.rekorV2, "--timestamp", services.timestamp);
  const env = {
    PATH: process.env["PATH"],
    ...services.ambient(claims),
    SONDE_PUBLISH_TOKEN: token,
  };
  return end(node("scripts/publish-packs.mjs", args, { env }));
}

beforeAll(async () => {
  database = await startTestDatabase();
  sigstore = await createTestSigstore();
  services = await serveSigstore(sigstore);
  const dataDir = join(root, "data");
  const trustedRootFile = join(root, "trusted-root.json");
  mkdirSync(dataDir);
  for (const path of [root, dataDir]) chownSync(path, uid, gid);
  chmodSync(root, 0o755);
  writeFileSync(trustedRootFile, JSON.stringify(sigstore.trustedRoot), { mode: 0o644 });
  const admitPath = join(root, "programs/admit.cjs");
  await buildAdmitProgram(admitPath);
  const config = {
    dataDir,
    admitPath,
    databaseUrl: database.url,
    http: { host: "127.0.0.1", port: 0, behindProxy: false },
    maxCapability: "observe",
    trustedRootFile,
    supervised: true,
  };
  writeFileSync(configFile, JSON.stringify(config), { mode: 0o644 });
  registry = node("registry/src/main.ts", [configFile], { uid, gid });
  const ready = await new Promise<string>((done, fail) => {
    registry.stdout?.once("data", (chunk: Buffer) => done(chunk.toString()));
    registry.once("close", () => fail(new Error("the registry did not start")));
  });
  registryUrl = `http://127.0.0.1:${(JSON.parse(ready) as { port: number }).port}`;
  const job = { publisher: "sonde", issuer: services.issuer, identity: JOB, repositoryId: "77" };
  ({ token } = await addIdentity(join(dataDir, "run/operator.sock"), job, true));
});
afterAll(async () => {
  registry?.kill("SIGKILL");
  await services?.close();
  await database?.close();
  rmSync(root, { recursive: true, force: true });
});

test("a job of another repository cannot publish, whatever its name", async () => {
  const { code, out } = await publishPacks({ sub: JOB, repository_id: "78" });
  expect(code).toBe(1);
  expect(out).toContain("SIGNER_UNTRUSTED");
  const { packs } = parsePackList(await (await fetch(`${registryUrl}/api/v1/packs`)).json());
  expect(packs).toEqual([]);
});

test("the official packs are built, signed by the job and published, and verify with the job's identity", async () => {
  const first = await publishPacks({ sub: JOB, repository_id: "77" });
  expect(first.code, first.out).toBe(0);
  expect(first.out).toMatch(/^sonde\/docker \S+ sha256:[0-9a-f]{64} signed by https:/m);

  const policy: SignerPolicy = {
    publishers: {
      sonde: {
        keys: [],
        identities: [{ issuer: services.issuer, identity: JOB, repositoryId: "77" }],
      },
    },
    trustedRoot: sigstore.trustedRoot,
    allowUnsignedPacks: false,
  };
  const { packs } = parsePackList(await (await fetch(`${registryUrl}/api/v1/packs`)).json());
  expect(packs.map(({ name }) => name)).toEqual(
    findPacks(join(workspace, "packs")).map((folder) => `sonde/${basename(folder)}`),
  );
  for (const { name, latest } of packs) {
    const at = `${registryUrl}/api/v1/packs/${name}/${latest}`;
    const archive = new Uint8Array(await (await fetch(`${at}/archive`)).arrayBuffer());
    const bundle = await (await fetch(`${at}/bundle`)).text();
    const pack = await verifyPack({ archive, bundle, policy, origin: "registry" });
    expect(pack.signer).toMatchObject({ kind: "keyless", identity: JOB, repositoryId: "77" });
  }
});
