// `npm run package [-- --arch amd64,arm64] [--only NAME,...] [--formats deb,tar.gz,oci.tar]
// [--out FOLDER] [--roots FOLDER]`: builds the installable packages of a release. The same source gives
// the same bytes, in any folder and on any day. A container image (oci.tar) also has packages of
// Debian: the same ones give the same bytes. --roots keeps what was fetched of them.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RELEASE } from "../schemas/src/release.ts";
import { buildDeb } from "./package/build-deb.mjs";
import { buildImage } from "./package/build-image.mjs";
import { buildTar } from "./package/build-tar.mjs";
import { fetchNode } from "./package/fetch-node.mjs";
import { PACKAGES, stagePackage } from "./package/packages.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
/** Debian's name of an architecture -> Node's. */
const ARCHES = { amd64: "x64", arm64: "arm64" };
const BUILDERS = { deb: buildDeb, "tar.gz": buildTar, "oci.tar": buildImage };

const { values } = parseArgs({
  options: {
    arch: { type: "string", default: Object.keys(ARCHES).join(",") },
    only: { type: "string", default: Object.keys(PACKAGES).join(",") },
    formats: { type: "string", default: "deb,tar.gz" },
    out: { type: "string", default: join(root, "dist/packages") },
    roots: { type: "string" },
  },
});

/** The values of an option, each of which must be known. */
function choose(option, known) {
  const chosen = values[option].split(",");
  const wrong = chosen.find((value) => !Object.hasOwn(known, value));
  if (wrong === undefined) return chosen;
  const names = Object.keys(known).join(" or ");
  process.stderr.write(`Expected --${option} ${names}, got ${JSON.stringify(wrong)}.\n`);
  return process.exit(2);
}

/** @returns the files that were made */
function buildPackage(name, arch, node, folder) {
  process.stderr.write(`${name} for ${arch} ...\n`);
  const wanted = PACKAGES[name].formats.filter((format) => formats.includes(format));
  return wanted.map((format) => {
    const place = mkdtempSync(join(folder, "build-"));
    const staged = join(place, name);
    mkdirSync(staged);
    stagePackage(name, { root, node, nodeArch: ARCHES[arch] }, staged);
    const file = join(out, `${name}_${RELEASE}_${arch}.${format}`);
    const roots = values.roots ?? join(folder, "roots");
    BUILDERS[format]({ root, staged, name, version: RELEASE, arch, roots, folder: place, file });
    rmSync(place, { recursive: true });
    return file;
  });
}

const [names, arches] = [choose("only", PACKAGES), choose("arch", ARCHES)];
const formats = choose("formats", BUILDERS);
const out = resolve(values.out);
mkdirSync(out, { recursive: true });
const made = [];
for (const arch of arches) {
  const folder = mkdtempSync(join(tmpdir(), "sonde-package-"));
  try {
    const node = fetchNode(root, ARCHES[arch], folder);
    for (const name of names) made.push(...buildPackage(name, arch, node, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
for (const file of made) {
  const digest = createHash("sha256").update(readFileSync(file)).digest("hex");
  process.stdout.write(`${digest}  ${file}\n`);
}
