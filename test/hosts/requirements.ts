import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Programs, and the Debian package that has each. */
type Programs = Readonly<Record<string, string>>;

const ROOT_FILESYSTEM = { mmdebstrap: "mmdebstrap", nsenter: "util-linux", setpriv: "util-linux" };

/** What boots a host. */
const HOSTS: Programs = {
  ...ROOT_FILESYSTEM,
  "systemd-nspawn": "systemd-container",
  ip: "iproute2",
  flock: "util-linux",
};

/** What makes container images, and runs them. */
const CONTAINERS: Programs = {
  ...ROOT_FILESYSTEM,
  buildah: "buildah",
  podman: "podman",
  curl: "curl",
  ip: "iproute2",
};

/**
 * Says why this machine cannot run these programs on root filesystems, or null when it can. A laptop
 * may lack the rights or the programs. CI installs them, so there this is a failure.
 */
function whyNot(programs: Programs): string | null {
  if (process.getuid?.() !== 0) return "it needs root";
  if (!existsSync("/etc/debian_version")) return "it needs a Debian machine";
  const missing = Object.entries(programs).filter(([program]) => !isInstalled(program));
  if (missing.length === 0) return null;
  const packages = [...new Set(missing.map(([, name]) => name))].join(" ");
  return `expected ${missing.map(([name]) => name).join(", ")}: apt-get install ${packages}`;
}

/**
 * Whether a file of tests checks what it says on hosts. Where it cannot, it says so loudly. CI must
 * check it: there it fails instead.
 *
 * @param what is not checked here
 */
export function isCheckedHere(what: string, programs = HOSTS): boolean {
  const reason = whyNot(programs);
  if (reason === null) return true;
  if (process.env["CI"] !== undefined) throw new Error(reason);
  process.stderr.write(`NOT CHECKED: ${what}: ${reason}\n`);
  return false;
}

/** As isCheckedHere, for what runs in containers. */
export function isCheckedInContainers(what: string): boolean {
  return isCheckedHere(what, CONTAINERS);
}

/**
 * As isCheckedHere, for what takes so long that `npm run test:hosts` alone checks it.
 *
 * @param what is not checked here
 */
export function isCheckedInFull(what: string): boolean {
  if (process.env["SONDE_TEST_HOSTS"] === "all") return isCheckedHere(what);
  process.stderr.write(`NOT CHECKED: ${what}: npm run test:hosts does\n`);
  return false;
}

function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0;
}
