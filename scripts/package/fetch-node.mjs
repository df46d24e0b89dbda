import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";

/**
 * Returns the path of Node for an architecture: the installed one, or the package of the lockfile,
 * whose bytes must have the lockfile's hash.
 *
 * @param {string} root of the workspace
 * @param {string} arch as Node names it
 * @param {string} folder for what is fetched
 */
export function fetchNode(root, arch, folder) {
  const name = `node-linux-${arch}`;
  const installed = join(root, "node_modules", name, "bin/node");
  if (existsSync(installed)) return realpathSync(installed);
  const lock = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
  const found = new RegExp(
    `\\n  ${name}@([0-9.]+):\\n    resolution: \\{integrity: sha512-([^}]+)\\}`,
  ).exec(lock);
  if (found === null) throw new Error(`expected ${name} with its hash in pnpm-lock.yaml`);
  const [, version, hash] = found;
  const words = ["pack", "--silent", "--pack-destination", folder, `${name}@${version}`];
  execFileSync("npm", words, { stdio: ["ignore", "ignore", "inherit"] });
  const archive = readdirSync(folder).find((file) => file.startsWith(`${name}-`));
  if (archive === undefined) throw new Error(`expected npm to fetch ${name}@${version}`);
  const bytes = readFileSync(join(folder, archive));
  if (createHash("sha512").update(bytes).digest("base64") !== hash) {
    throw new Error(`expected ${archive} with the hash of pnpm-lock.yaml, got other bytes`);
  }
  const unpacked = join(folder, name);
  mkdirSync(unpacked);
  execFileSync("tar", ["-xzf", join(folder, archive), "-C", unpacked]);
  return join(unpacked, "package/bin/node");
}
