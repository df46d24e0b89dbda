import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";

export type Account = { user: string; uid: number; gid: number };

/** The user of each process. Without root, all run as the present user. */
export type Accounts = {
  separate: boolean;
  hub: Account;
  registry: Account;
  agent: Account;
  runner: Account;
};

const USERS = { hub: "sonde-hub", registry: "sonde-registry", agent: "sonde", runner: "sonde-run" };

/**
 * The user that owns the files of a service: with root its own, else the present one.
 *
 * @throws SondeError NOT_FOUND when nothing was ever started as root on this machine
 */
export function findServiceUid(role: keyof typeof USERS): number {
  const uid = process.getuid?.() ?? -1;
  if (uid !== 0) return uid;
  const account = findAccount(USERS[role]);
  if (account !== null) return account.uid;
  throw new SondeError("NOT_FOUND", `expected the system user ${USERS[role]}; start Sonde once`);
}

/**
 * The user of a service that a package or a start as root made. Without root, the present one.
 *
 * @throws SondeError NOT_FOUND
 */
export function findInstalledAccount(role: keyof typeof USERS): Account {
  if (process.getuid?.() !== 0) return presentAccount();
  const account = findAccount(USERS[role]);
  if (account !== null) return account;
  throw new SondeError("NOT_FOUND", `expected the system user ${USERS[role]}; install the package`);
}

/**
 * The users whose process a person can take for a service of this machine: root, the present user,
 * and the service's own if there is one.
 */
export function findServiceUids(role: keyof typeof USERS): number[] {
  const own = findAccount(USERS[role]);
  return [...new Set([0, process.getuid?.() ?? -1, ...(own === null ? [] : [own.uid])])];
}

/** The users that `ensureAccounts` would have to create. */
export function missingUsers(): string[] {
  if (process.getuid?.() !== 0) return [];
  return Object.values(USERS).filter((user) => findAccount(user) === null);
}

/**
 * Running as root, creates a system user without shell or home for each service that lacks one.
 * Without root, returns the present user for all.
 */
export function ensureAccounts(): Accounts {
  if (process.getuid?.() !== 0) {
    const self = presentAccount();
    return { separate: false, hub: self, registry: self, agent: self, runner: self };
  }
  const ensure = (user: string): Account => {
    const known = findAccount(user);
    if (known !== null) return known;
    try {
      execFileSync(
        "useradd",
        [
          "--system",
          "--user-group",
          "--no-create-home",
          "--home-dir",
          "/nonexistent",
          "--shell",
          "/usr/sbin/nologin",
          user,
        ],
        { stdio: ["ignore", "ignore", "pipe"] },
      );
    } catch (cause) {
      throw new SondeError("RIGHT_MISSING", `cannot create the system user ${user}`, { cause });
    }
    const made = findAccount(user);
    if (made === null)
      throw new SondeError("RIGHT_MISSING", `the system user ${user} was not created`);
    return made;
  };
  return {
    separate: true,
    hub: ensure(USERS.hub),
    registry: ensure(USERS.registry),
    agent: ensure(USERS.agent),
    runner: ensure(USERS.runner),
  };
}

function presentAccount(): Account {
  const uid = process.getuid?.() ?? -1;
  return { user: findName(uid) ?? String(uid), uid, gid: process.getgid?.() ?? -1 };
}

function passwdRows(): string[][] {
  return readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
}

function findAccount(user: string): Account | null {
  const row = passwdRows().find(([name]) => name === user);
  return row === undefined ? null : { user, uid: Number(row[2]), gid: Number(row[3]) };
}

function findName(uid: number): string | undefined {
  return passwdRows().find((row) => row[2] === String(uid))?.[0];
}

/**
 * The command line that runs `command` as `account` without capabilities, without a way to gain
 * any, and without inherited environment or groups.
 *
 * `env` starts the program without the capabilities that setpriv still has. So the user cannot
 * read Node's file, and the kernel lets no other process of that user look into this one
 * (docs/adr/0022-runner-sockets.md). One arena of malloc(3) is enough: services hold little. Its
 * threshold for mmap(2) is the default, but named, so that it does not grow (mallopt(3)): large
 * buffers of the start then go back to the kernel.
 */
export function asAccount(
  accounts: Pick<Accounts, "separate">,
  account: Account,
  groups: number[],
  command: string[],
): { command: string; args: string[] } {
  const drop = accounts.separate
    ? [
        `--reuid=${account.uid}`,
        `--regid=${account.gid}`,
        groups.length > 0 ? `--groups=${groups.join(",")}` : "--clear-groups",
        "--inh-caps=-all",
        "--ambient-caps=-all",
        "--bounding-set=-all",
        "--reset-env",
      ]
    : [];
  const sealed = ["env", "MALLOC_ARENA_MAX=1", "MALLOC_MMAP_THRESHOLD_=131072", ...command];
  return { command: "setpriv", args: [...drop, "--no-new-privs", "--", ...sealed] };
}
