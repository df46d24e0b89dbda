import { probe, read, t } from "@sonde/pack-sdk/author";
import { grownBy, parseProtocolCounters } from "./parse-counters.ts";
import * as sources from "./sources.ts";

/** What is counted, by its name in the answer. Each is a sign of trouble when it grows. */
const TROUBLES = {
  retransmittedSegments: "Tcp.RetransSegs",
  receiveErrors: "Tcp.InErrs",
  failedAttempts: "Tcp.AttemptFails",
  resets: "Tcp.EstabResets",
  listenOverflows: "TcpExt.ListenOverflows",
  listenDrops: "TcpExt.ListenDrops",
  timeouts: "TcpExt.TCPTimeouts",
  synRetransmits: "TcpExt.TCPSynRetrans",
  abortsForMemory: "TcpExt.TCPAbortOnMemory",
  udpReceiveErrors: "Udp.InErrors",
  udpFullReceiveBuffers: "Udp.RcvbufErrors",
} as const;

const count = t.nullable(t.object({ meanwhile: t.integer(), sinceBoot: t.integer() }), {
  description: "null when this kernel does not count it",
});

export const tcpHealth = probe({
  description:
    "Whether TCP and UDP struggle, between two looks a second apart and since boot: retransmissions and their share of what " +
    "was sent, resets, refused attempts, listen queues that overflowed (a program that accepts too slowly), full buffers.",
  result: t.object({
    measuredMs: t.integer(),
    establishedCount: t.integer(),
    sentSegmentsPerSecond: t.number(),
    retransmittedPercent: t.number({ description: "of the segments sent meanwhile" }),
    retransmittedPercentSinceBoot: t.number(),
    retransmittedSegments: count,
    receiveErrors: count,
    failedAttempts: count,
    resets: count,
    listenOverflows: count,
    listenDrops: count,
    timeouts: count,
    synRetransmits: count,
    abortsForMemory: count,
    udpReceiveErrors: count,
    udpFullReceiveBuffers: count,
  }),
  reads: {
    snmp: sources.snmpLooks,
    netstat: read(sources.netstatLooks, { optional: true }),
  },
  run({ reads }) {
    const looks = [0, 1].map((at) => {
      const netstat = reads.netstat.ok ? (reads.netstat.samples[at]?.text ?? "") : "";
      return parseProtocolCounters(`${reads.snmp.samples[at]?.text ?? ""}\n${netstat}`);
    });
    const [before = new Map<string, number>(), after = new Map<string, number>()] = looks;
    const [first, second] = reads.snmp.samples;
    const measuredMs = Math.max(1, Math.round(second.at - first.at));
    const grown = (name: string): number => grownBy(before, after, name) ?? 0;
    const of = (name: string) => {
      const meanwhile = grownBy(before, after, name);
      return meanwhile === null ? null : { meanwhile, sinceBoot: after.get(name) ?? 0 };
    };
    const sent = grown("Tcp.OutSegs");
    const sentSinceBoot = after.get("Tcp.OutSegs") ?? 0;
    const troubles = Object.entries(TROUBLES).map(([name, counter]) => [name, of(counter)]);
    return {
      measuredMs,
      establishedCount: after.get("Tcp.CurrEstab") ?? 0,
      sentSegmentsPerSecond: roundTenth(sent / (measuredMs / 1000)),
      retransmittedPercent: share(grown("Tcp.RetransSegs"), sent),
      retransmittedPercentSinceBoot: share(after.get("Tcp.RetransSegs") ?? 0, sentSinceBoot),
      ...(Object.fromEntries(troubles) as Record<keyof typeof TROUBLES, ReturnType<typeof of>>),
    };
  },
});

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 10_000) / 100;
}

function roundTenth(value: number): number {
  return Math.round(value * 10) / 10;
}
