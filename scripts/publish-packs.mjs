// Builds the official packs, signs them with the identity of the job or person that runs this, and
// publishes the versions that the registry lacks. CI runs it on a release; a test runs the same
// file against services on loopback.
//   npm run -s publish-packs -- --registry URL [--packs DIR] [signing options of sonde-pack sign]
// The right to publish comes from the same identity (trusted publishing), or from a token in
// SONDE_PUBLISH_TOKEN.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { findPacks } from "../cli/src/pack/find-packs.ts";

const root = resolve(import.meta.dirname, "..");
const program = join(root, "cli/src/sonde-pack.ts");

/** Runs `sonde-pack` and returns its JSON. A refusal fails this script with the same code. */
function sondePack(args, env) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=sonde:source", "--no-node-snapshot", program, ...args, "--json"],
    { env, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`sonde-pack ${args[0]}: ${stdout.trim()} ${stderr.trim()}`);
  return JSON.parse(stdout);
}

/** Builds in two folders must give the same bytes, so that anybody can reproduce them. */
function buildTwice(folder, out, env) {
  const [first, second] = ["first", "second"].map((name) =>
    sondePack(["build", folder, "--out", join(out, name)], env),
  );
  const hash = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");
  if (hash(first.file) === hash(second.file)) return first.file;
  throw new Error(`Expected the same bytes from two builds of ${folder}, got different ones.`);
}

function readArguments(words) {
  const options = new Map();
  for (let at = 0; at < words.length; at += 2) {
    const [flag = "", value] = words.slice(at, at + 2);
    if (!/^--[a-z-]+$/.test(flag) || value === undefined) {
      throw new Error(`Expected --option VALUE, got ${flag} ${value ?? ""}`);
    }
    options.set(flag, value);
  }
  const registry = options.get("--registry");
  if (registry === undefined) throw new Error("Expected --registry URL, got none.");
  const packs = resolve(options.get("--packs") ?? join(root, "packs"));
  options.delete("--registry");
  options.delete("--packs");
  return { registry, packs, signing: [...options].flat() };
}

function publishAll(out) {
  const { registry, packs, signing } = readArguments(process.argv.slice(2));
  // Least privilege: the build gets neither identity nor token.
  const { SONDE_PUBLISH_TOKEN: token = "", ...identityEnv } = process.env;
  const plainEnv = { PATH: process.env.PATH };
  const [right, publishEnv] =
    token === "" ? [["--trusted"], identityEnv] : [[], { ...plainEnv, SONDE_PUBLISH_TOKEN: token }];
  for (const folder of findPacks(packs)) {
    const archive = buildTwice(folder, join(out, basename(folder)), plainEnv);
    const { identity, keyId } = sondePack(["sign", archive, ...signing], identityEnv);
    const published = sondePack(["publish", archive, "--registry", registry, ...right], publishEnv);
    process.stdout.write(
      `${published.name} ${published.version} ${published.digest} signed by ${identity ?? keyId}\n`,
    );
  }
}

const out = mkdtempSync(join(tmpdir(), "sonde-publish-"));
try {
  publishAll(out);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
