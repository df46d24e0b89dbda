import { probe, t } from "@sonde/pack-sdk/author";
import { compareText, splitLines } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

/** Groups whose members can become root, with how. */
const ROOT_EQUIVALENT = new Map([
  ["root", "reads and writes what root's group may"],
  ["sudo", "sudo"],
  ["wheel", "sudo"],
  ["admin", "sudo"],
  ["docker", "starts containers as root"],
  ["podman", "starts containers as root"],
  ["lxd", "starts containers as root"],
  ["libvirt", "starts machines with the host's disks"],
  ["disk", "reads and writes disks"],
  ["shadow", "reads password hashes"],
]);
const NO_LOGIN = /\/(?:nologin|false|sync|halt|shutdown)$/;

export const users = probe({
  description:
    "Local accounts that can log in, and who can become root: accounts with user id 0 and members of groups such " +
    "as sudo, wheel and docker. Accounts of a directory service are not in /etc/passwd and not listed; passwords " +
    "are never read.",
  result: t.object({
    accountCount: t.integer({ description: "also those that cannot log in" }),
    logins: t.array(
      t.object({ name: t.string(), userId: t.integer(), home: t.string(), shell: t.string() }),
    ),
    rootEquivalent: t.array(t.object({ name: t.string(), by: t.string() })),
    incomplete: t.boolean(),
  }),
  reads: { accounts: sources.accounts, groups: sources.groups },
  run({ reads }) {
    const accounts = parseLines(reads.accounts.text, 7).map((fields) => ({
      name: fields[0] ?? "",
      userId: Number(fields[2]),
      groupId: fields[3] ?? "",
      home: fields[5] ?? "",
      shell: fields[6] ?? "",
    }));
    const groups = parseLines(reads.groups.text, 4).map((fields) => ({
      name: fields[0] ?? "",
      id: fields[2] ?? "",
      members: (fields[3] ?? "").split(",").filter((name) => name !== ""),
    }));
    const byGroup = groups.flatMap(({ name, id, members }) => {
      const how = ROOT_EQUIVALENT.get(name);
      if (how === undefined) return [];
      const primary = accounts
        .filter(({ groupId }) => groupId === id)
        .map((account) => account.name);
      return [...new Set([...members, ...primary])]
        .filter((member) => member !== "root")
        .map((member) => ({ name: member, by: `group ${name}: ${how}` }));
    });
    const byId = accounts
      .filter(({ name, userId }) => userId === 0 && name !== "root")
      .map(({ name }) => ({ name, by: "user id 0" }));
    return {
      accountCount: accounts.length,
      logins: accounts
        .filter(({ shell }) => !NO_LOGIN.test(shell))
        .sort((a, b) => a.userId - b.userId || compareText(a.name, b.name))
        .map(({ name, userId, home, shell }) => ({ name, userId, home, shell })),
      rootEquivalent: [...byId, ...byGroup].sort(
        (a, b) => compareText(a.name, b.name) || compareText(a.by, b.by),
      ),
      incomplete: reads.accounts.truncated || reads.groups.truncated,
    };
  },
});

/** Lines of passwd(5) and group(5). One with another number of fields is no account. */
function parseLines(text: string, count: number): string[][] {
  return splitLines(text)
    .map((line) => line.split(":"))
    .filter((fields) => fields.length === count && !fields[0]?.startsWith("+"));
}
