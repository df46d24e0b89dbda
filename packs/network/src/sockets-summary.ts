import { probe, read, t } from "@sonde/pack-sdk/author";
import { splitLines, splitWords } from "@sonde/pack-sdk/parse";
import * as sources from "./sources.ts";

export const socketsSummary = probe({
  description:
    "How many sockets there are, by kind, and what memory TCP holds. Many in time-wait are harmless; many orphans, or " +
    "memory near the limit, are not. Ask network_connections for who they are with.",
  result: t.object({
    socketCount: t.integer(),
    tcpInUse: t.integer(),
    tcp6InUse: t.nullable(t.integer()),
    tcpOrphans: t.integer({ description: "that no program holds any more" }),
    tcpTimeWait: t.integer(),
    tcpMemoryPages: t.integer(),
    udpInUse: t.integer(),
    udp6InUse: t.nullable(t.integer()),
    udpMemoryPages: t.integer(),
    fragmentsInUse: t.integer(),
  }),
  reads: { sockets: sources.sockets4, sockets6: read(sources.sockets6, { optional: true }) },
  run({ reads }) {
    const four = parseSockstat(reads.sockets.text);
    const six = reads.sockets6.ok ? parseSockstat(reads.sockets6.text) : null;
    const of = (name: string): number => four.get(name) ?? 0;
    return {
      socketCount: of("sockets used"),
      tcpInUse: of("TCP inuse"),
      tcp6InUse: six?.get("TCP6 inuse") ?? null,
      tcpOrphans: of("TCP orphan"),
      tcpTimeWait: of("TCP tw"),
      tcpMemoryPages: of("TCP mem"),
      udpInUse: of("UDP inuse"),
      udp6InUse: six?.get("UDP6 inuse") ?? null,
      udpMemoryPages: of("UDP mem"),
      fragmentsInUse: of("FRAG inuse"),
    };
  },
});

/** Lines such as `TCP: inuse 5 orphan 0`. */
function parseSockstat(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of splitLines(text)) {
    const [kind = "", ...pairs] = splitWords(line);
    for (let at = 0; at + 1 < pairs.length; at += 2) {
      counts.set(`${kind.replace(/:$/, "")} ${pairs[at]}`, Number(pairs[at + 1]));
    }
  }
  return counts;
}
