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
    const uid = process.getuid?.() ?? -1;
    const gid = process.getgid?.() ?? -1;
    const self = { user: findName(uid) ?? String(uid), uid, gid };
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
 */
export function asAccount(
  accounts: Accounts,
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
  return { command: "setpriv", args: [...drop, "--no-new-privs", "--", ...command] };
}
