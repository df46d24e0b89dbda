import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { takeLock } from "@sonde/files";
import { Host, removeGroups, type Shares } from "./host.ts";
import { CACHE, prepareRootFilesystem, unmountBeneath } from "./root-filesystem.ts";

const run = promisify(execFile);

const PREFIX = "sonde-lab-";
/** Documentation addresses (RFC 5737). The network exists in the lab's own namespace only. */
const addressOf = (number: number): string => `192.0.2.${number}`;
const MAX_HOSTS = 200;
const CLEAN_UP_SECONDS = 120;

/** Hosts on a network of their own, which reaches nothing else. */
export type Lab = {
  /** Where the hosts' files are. */
  readonly folder: string;
  /** The name of its network namespace. */
  readonly network: string;
  /**
   * Boots a Debian host with systemd as process 1. Every host of the lab knows every other one by
   * its name.
   */
  boot(name: string, shares?: Shares): Promise<Host>;
  /** Ends every host and removes what the lab made. */
  close(): Promise<void>;
};

/** @param packages Debian packages that every host has, besides a booting minimal system */
export async function startLab(packages: readonly string[] = []): Promise<Lab> {
  await removeLeftLabs();
  const base = await prepareRootFilesystem(packages);
  const folder = mkdtempSync(`/tmp/${PREFIX}`);
  writeFileSync(join(folder, "owner"), String(process.pid));
  const id = randomBytes(3).toString("hex");
  const network = `${PREFIX}${id}`;
  writeFileSync(join(folder, "network"), network);
  await run("ip", ["netns", "add", network]);
  await run("ip", ["-n", network, "link", "add", "lab", "type", "bridge"]);
  await run("ip", ["-n", network, "link", "set", "lab", "up"]);
  const hosts: Host[] = [];
  let count = 0;

  function tellNames(): void {
    const names = hosts.map(({ name, address }) => `${address} ${name}\n`).join("");
    for (const host of hosts) host.writeFile("/etc/hosts", `127.0.0.1 localhost\n${names}`);
  }

  return {
    folder,
    network,
    async boot(name, shares = {}) {
      if (count === MAX_HOSTS) throw new Error(`expected at most ${MAX_HOSTS} hosts`);
      const place = join(folder, name);
      mkdirSync(place);
      const number = ++count;
      const host = await Host.boot({
        ...{ name, base, place, network, shares },
        address: addressOf(number),
        machine: `h${number}-${id}`,
      });
      hosts.push(host);
      tellNames();
      return host;
    },
    async close() {
      await Promise.all(hosts.map((host) => host.remove()));
      await run("ip", ["netns", "delete", network]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One run at a time cleans up: what it takes away is missing for another that looks just then. */
async function removeLeftLabs(): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const release = takeLock(join(CACHE, "left-labs.lock"), CLEAN_UP_SECONDS);
  if (release === null) throw new Error("another run has cleaned up its labs for too long");
  try {
    await removeLeft();
  } finally {
    release();
  }
}

/** A run that was killed leaves its hosts, its network and its mounts behind. */
async function removeLeft(): Promise<void> {
  const left = readdirSync("/tmp")
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join("/tmp", name))
    .filter((folder) => !isOwned(folder));
  for (const folder of left) {
    const network = readOr(join(folder, "network"));
    if (network !== "") await removeGroups(network.slice(PREFIX.length));
    await unmountBeneath(folder);
    const known = network === "" ? "" : (await run("ip", ["netns", "list"])).stdout;
    if (known.includes(network))
      await run("ip", ["netns", "delete", network]).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}

function isOwned(folder: string): boolean {
  const owner = Number(readOr(join(folder, "owner")));
  try {
    // A lab that is just being made has no owner yet.
    return owner === 0 || process.kill(owner, 0);
  } catch {
    return false;
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
