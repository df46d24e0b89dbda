import type { DroppedEntries } from "@sonde/schemas/audit";

/** Says to whoever looks for the first entries where they are. */
export function describeDropped({ head, from, until, because }: DroppedEntries): string {
  const limit = because === "age" ? "older than it is kept" : "larger than it may be";
  return `Entries up to ${head.size}, from ${from} to ${until}, were dropped: the log was ${limit}. The last one's hash is ${head.hash}.`;
}
