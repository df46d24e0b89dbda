// What each installable package has. Its fixed files are in the folder of its name: `root/` as it
// lies on a host, `control/` for Debian.
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** What the pack host loads of its native packages. The rest builds and tests them. */
const NATIVE = {
  "isolated-vm": ["package.json", "LICENSE", "isolated-vm.js"],
  "node-gyp-build": ["package.json", "LICENSE", "index.js", "node-gyp-build.js"],
};

/**
 * Each package: its programs in dist/, its system users, the units besides its service, what it
 * makes outside of its own folders, and whether it runs packs. A service has the scripts of `service/` besides those of `shared/`.
 */
export const PACKAGES = {
  "sonde-agent": {
    programs: [
      ...["agent.js", "enrol.js", "runner.js", "pack-host.js", "admit.js"],
      "cli/sonde-agent.js",
    ],
    users: ["sonde-run", "sonde"],
    units: [
      ...["sonde-runner@*.socket", "sonde-runner@*.service"],
      ...["sonde-pack-host.socket", "sonde-pack-host@*.service"],
    ],
    // By `sonde-agent approve`, for packs that need a group or other hosts.
    made: [
      "/etc/systemd/system/sonde-runner@*.service.d",
      "/etc/systemd/system/sonde-agent.service.wants/sonde-runner@*.socket",
    ],
    runsPacks: true,
    scripts: ["shared"],
    formats: ["deb", "tar.gz", "oci.tar"],
  },
  "sonde-hub": {
    // By the list of the release's files the hub takes an agent's upgrade for one. The views are what
    // clients show beside an answer, the console is what people open in a browser, and people.js is the
    // script of the pages on which they get in.
    programs: [
      "hub.js",
      "hub-backup.js",
      "admit.js",
      "agent-release.json",
      "views.json",
      "console.json",
      "people.js",
      ...["cli/sonde-installed.js", "cli/check-lines.js"],
    ],
    users: ["sonde-hub"],
    units: [],
    made: [],
    runsPacks: false,
    scripts: ["shared", "service"],
    formats: ["deb", "oci.tar"],
  },
  "sonde-registry": {
    programs: [
      ...["registry.js", "render-readme.js", "admit.js"],
      ...["cli/sonde-installed.js", "cli/check-lines.js"],
    ],
    users: ["sonde-registry"],
    units: [],
    made: [],
    runsPacks: false,
    scripts: ["shared", "service"],
    formats: ["deb", "oci.tar"],
  },
};

/** Where a package's programs are on a host. */
export const libraryOf = (name) => `usr/lib/${name}`;

/**
 * Copies a package's files below a staging folder.
 *
 * @param {keyof typeof PACKAGES} name
 * @param {{ root: string, node: string, nodeArch: string }} from the workspace, and Node for the
 *   architecture, as Node names it
 * @param {string} folder
 */
export function stagePackage(name, { root, node, nodeArch }, folder) {
  const { programs, runsPacks } = PACKAGES[name];
  const dist = join(root, "dist");
  cpSync(join(root, "scripts/package", name, "root"), folder, { recursive: true });
  const library = join(folder, libraryOf(name));
  mkdirSync(library, { recursive: true });
  for (const program of [...programs, "package.json"]) {
    cpSync(join(dist, program), join(library, program.replace(/^cli\//, "")));
  }
  cpSync(node, join(library, "node"));
  if (runsPacks) placeNativePackages(root, nodeArch, join(library, "node_modules"));
}

function placeNativePackages(root, nodeArch, modules) {
  const isolate = realpathSync(join(root, "pack-sdk/node_modules/isolated-vm"));
  for (const part of [...NATIVE["isolated-vm"], `prebuilds/linux-${nodeArch}`]) {
    cpSync(join(isolate, part), join(modules, "isolated-vm", part), { recursive: true });
  }
  const loader = realpathSync(join(isolate, "../node-gyp-build"));
  for (const part of NATIVE["node-gyp-build"]) {
    cpSync(join(loader, part), join(modules, "node-gyp-build", part));
  }
}

/** Debian's lists; every other control file is a script. */
const LISTS = new Set(["control", "conffiles"]);

/**
 * Writes a package's control files, with what is known only now.
 *
 * @param {keyof typeof PACKAGES} name
 * @param {{ root: string, version: string, arch: string, size: string }} known `arch` as Debian
 *   names it, `size` in KiB
 * @param {string} to
 */
export function placeControl(name, { root, version, arch, size }, to) {
  const { users, units, made, scripts } = PACKAGES[name];
  const sources = join(root, "scripts/package");
  for (const from of [...scripts, `${name}/control`]) {
    cpSync(join(sources, from), to, { recursive: true });
  }
  const values = {
    ...{ NAME: name, VERSION: debianVersion(version), ARCH: arch, SIZE: size },
    ...{ USERS: users.join(" "), UNITS: units.join(" "), MADE: made.join(" ") },
  };
  for (const file of readdirSync(to)) {
    const path = join(to, file);
    const text = readFileSync(path, "utf8").replaceAll(/@([A-Z]+)@/g, (_all, key) => values[key]);
    writeFileSync(path, text);
    chmodSync(path, LISTS.has(file) ? 0o644 : 0o755);
  }
}

/** A pre-release is older than its release: `0.2.0-rc.1` is `0.2.0~rc.1` there (deb-version(7)). */
export function debianVersion(version) {
  return version.replace("-", "~");
}
