import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildPackages, bundlePrograms, copyWorkspace, obtainPackages } from "./packages.ts";
import { isCheckedInContainers, isCheckedInFull } from "./requirements.ts";
import { CACHE } from "./root-filesystem.ts";

const isChecked = isCheckedInFull("that packages have the same bytes in every build");

const areImagesChecked =
  isChecked && isCheckedInContainers("that images have the same bytes in every build");

const workspace = resolve(import.meta.dirname, "../..");
const ONLY = "sonde-agent,sonde-hub,sonde-registry";
/** nobody and nogroup of Debian (base-passwd). */
const NOBODY = 65_534;

let folder: string;
beforeAll(() => {
  if (!isChecked) return;
  folder = mkdtempSync("/tmp/sonde-packages-");
  chownSync(folder, NOBODY, NOBODY);
  // The copies are of now, and the sources of another day.
  copyWorkspace(join(folder, "elsewhere"));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.runIf(isChecked)(
  "another user, folder, umask and time zone, and sources of another day, give the same bytes",
  () => {
    const place = join(folder, "elsewhere");
    const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    const command = [...asNobody, "sh", "-c", 'umask 077; exec "$@"', "sh"];
    chownSync(place, NOBODY, NOBODY);
    bundlePrograms(place, command);
    const out = join(folder, "out");
    buildPackages(place, { out, only: ONLY, command, timeZone: "Asia/Tokyo" });
    expect(findDiffering(out, obtainPackages(ONLY))).toEqual([]);
  },
  300_000,
);

test.runIf(areImagesChecked)(
  "images too, from packages of Debian that were fetched another time, and what is for arm64",
  () => {
    const place = join(folder, "elsewhere");
    if (!existsSync(join(place, "dist"))) bundlePrograms(place);
    const more = ["--arch", "amd64,arm64", "--formats", "tar.gz,oci.tar"];
    const [out, expected] = [join(folder, "images"), join(folder, "expected")];
    mkdirSync(expected);
    const command = ["sh", "-c", 'umask 077; exec "$@"', "sh"];
    const only = "sonde-agent";
    buildPackages(place, { ...{ out, only, command, more }, timeZone: "Asia/Tokyo" });
    bundlePrograms(workspace);
    buildPackages(workspace, { out: expected, only, more: [...more, "--roots", CACHE] });
    expect(findDiffering(out, expected)).toEqual([]);
  },
  600_000,
);

/** The files that are not the same in both folders. */
function findDiffering(out: string, expected: string): string[] {
  const names = [...new Set([out, expected].flatMap((place) => readdirSync(place)))].toSorted();
  expect(names.length).toBeGreaterThan(1);
  const read = (place: string, name: string): Buffer | null =>
    existsSync(join(place, name)) ? readFileSync(join(place, name)) : null;
  return names.filter((name) => {
    const [made, known] = [read(out, name), read(expected, name)];
    return made === null || known === null || !made.equals(known);
  });
}
