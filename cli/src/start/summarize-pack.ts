import { type PackExplanation } from "@sonde/schemas/agent";
import { describeSigner } from "@sonde/schemas/trust";
import { isRootGroup } from "@sonde/sources";
import { describeChanges } from "../agent/describe-pack.ts";

/**
 * What a person needs to decide in a few lines: who signed, and what is read, by place and number.
 * describePack has every single read.
 */
export function summarizePack(pack: PackExplanation): string {
  const { groups, commands, files, sockets, hosts = [] } = pack.requires;
  const rows: [string, string[]][] = [
    ["files", countBy(files, (path) => path.split("/").slice(0, 2).join("/"))],
    ["commands", commands],
    ["sockets", countBy(sockets, socketOf)],
    ["hosts", hosts],
    ["groups", groups.map(describeGroup)],
  ];
  return [
    `${pack.name} ${pack.version}  ${pack.state}, signed by ${describeSigner(pack.signer)}`,
    ...rows.flatMap(([what, asked]) =>
      asked.length === 0 ? [] : [`  ${what.padEnd(10)}${asked.join(", ")}`],
    ),
    `  questions ${pack.probes.length}, ${describeLevels(pack)}`,
    ...describeChanges(pack),
    ...pack.before.map((command) => `  first     ${command}`),
  ].join("\n");
}

/** The unix sockets and the ports of loopback that a pack asks, but for those that a person names. */
export function socketsOf(pack: PackExplanation): string[] {
  const sockets = pack.requires.sockets.map(socketOf);
  return [...new Set(sockets.filter((socket) => !socket.startsWith("<")))];
}

/** `SOCKET GET PATH` as Requires has it. */
function socketOf(request: string): string {
  return request.split(" ")[0] ?? request;
}

function describeGroup(group: string): string {
  return isRootGroup(group) ? `${group} (as good as root on this machine)` : group;
}

function describeLevels({ probes }: PackExplanation): string {
  const levels = new Set(probes.map(({ capability }) => capability));
  return levels.size === 1 ? `all ${[...levels].join()}` : [...levels].toSorted().join(" and ");
}

function countBy(names: readonly string[], placeOf: (name: string) => string): string[] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(placeOf(name), (counts.get(placeOf(name)) ?? 0) + 1);
  return [...counts].map(([place, count]) => (count === 1 ? place : `${place} (${count})`));
}
