import type { Agreement, HelloBody } from "@sonde/schemas/wire";

/** What an agent's hello says about the host, as the record of its connection keeps it. */
export function describeStatement(hello: HelloBody, { protocol }: Agreement) {
  const { kernel, wall, agentVersion, maxCapability, binarySha256, configSha256 } = hello;
  const packs = hello.packs.map(({ name, version, digest, state }) => ({
    ...{ name, version, digest, state },
  }));
  return {
    ...{ protocol, kernel, wall, agentVersion, maxCapability, binarySha256, configSha256, packs },
  };
}

/** Members that change only when somebody changed the host. */
const WATCHED = [
  "maxCapability",
  "wall",
  "agentVersion",
  "binarySha256",
  "configSha256",
  "os",
  "kernel",
] as const;

/**
 * Compares an agent's hello with the one before.
 *
 * @returns each member that differs, or null when none does
 */
export function findChanges(
  before: HelloBody | null,
  after: HelloBody,
): Record<string, { from: string; to: string }> | null {
  if (before === null) return null;
  const changes = WATCHED.flatMap((member) =>
    before[member] === after[member]
      ? []
      : [[member, { from: before[member], to: after[member] }] as const],
  );
  return changes.length === 0 ? null : Object.fromEntries(changes);
}
