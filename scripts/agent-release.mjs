import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Of the agent's package: programs, what the pack host loads, and the fixed files such as units. */
const PROGRAMS = ["agent.js", "enrol.js", "runner.js", "pack-host.js", "admit.js"];
const NATIVE = ["node_modules/isolated-vm", "node_modules/node-gyp-build"];
const FIXED = "scripts/package/sonde-agent/root";

/** The fixed files of the agent's package. */
export const listFixedFiles = (root) => listFiles(join(root, FIXED));

/**
 * The digests of the files that an agent of this release consists of. The hub of the same release
 * takes these for an upgrade, and any others for a change that a person looks at.
 *
 * @param {string} root the workspace
 * @param {string} dist folder of the bundles
 * @returns {{ files: string[] }} agent-release.json, see hub/src/attestation/edge/read-release.ts
 */
export function describeAgentRelease(root, dist) {
  const paths = [
    ...PROGRAMS.map((name) => join(dist, name)),
    ...NATIVE.flatMap((name) => listFiles(join(dist, name))),
    ...listFixedFiles(root),
  ];
  const digests = paths.map(
    (path) => `sha256:${createHash("sha256").update(readFileSync(path)).digest("hex")}`,
  );
  return { files: [...new Set(digests)].sort() };
}

function listFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
    .sort();
}
