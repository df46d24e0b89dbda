import { probe, read, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { parseSockets } from "./parse-sockets.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 20;

export const connections = probe({
  description:
    "TCP connections by state, by the addresses they are with, and those with most bytes waiting first. Many in close-wait " +
    "mean a program that does not close; many in syn-sent a silent peer. port is that of either side.",
  params: t.object({
    port: t.optional(t.integer({ minimum: 1, maximum: 65535 })),
    state: t.optional(
      t.enumOf([
        "established",
        "syn-sent",
        "syn-received",
        "fin-wait-1",
        "fin-wait-2",
        "time-wait",
        "close-wait",
        "last-ack",
        "closing",
      ]),
    ),
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    connectionCount: t.integer(),
    countByState: t.record(t.integer(), { maxProperties: 20 }),
    peers: t.array(t.object({ address: t.string(), count: t.integer() })),
    connections: t.array(
      t.object({
        localAddress: t.string(),
        localPort: t.integer(),
        remoteAddress: t.string(),
        remotePort: t.integer(),
        state: t.string(),
        sendQueueBytes: t.integer({ description: "not sent, or not acknowledged" }),
        receiveQueueBytes: t.integer({ description: "not read by the program" }),
        userId: t.integer(),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: { tcp4: sources.tcp4, tcp6: read(sources.tcp6, { optional: true }) },
  run({ params, reads }) {
    const { tcp4, tcp6 } = reads;
    const limit = params.limit ?? DEFAULT_LIMIT;
    const chosen = [tcp4.text, tcp6.ok ? tcp6.text : ""]
      .flatMap(parseSockets)
      .filter(({ state }) => state !== "listening")
      .filter(({ state }) => params.state === undefined || state === params.state)
      .filter(
        ({ localPort, remotePort }) =>
          params.port === undefined || [localPort, remotePort].includes(params.port),
      );
    const waiting = ({ sendQueue, receiveQueue }: (typeof chosen)[number]): number =>
      sendQueue + receiveQueue;
    return {
      connectionCount: chosen.length,
      countByState: Object.fromEntries(countBy(chosen.map(({ state }) => state))),
      peers: countBy(chosen.map(({ remoteAddress }) => remoteAddress))
        .slice(0, limit)
        .map(([address, count]) => ({ address, count })),
      connections: chosen
        .sort(
          (a, b) =>
            waiting(b) - waiting(a) ||
            compareText(a.remoteAddress, b.remoteAddress) ||
            a.remotePort - b.remotePort ||
            a.localPort - b.localPort,
        )
        .slice(0, limit)
        .map(({ sendQueue, receiveQueue, localAddress, localPort, ...rest }) => ({
          ...{ localAddress, localPort },
          remoteAddress: rest.remoteAddress,
          remotePort: rest.remotePort,
          state: rest.state,
          sendQueueBytes: sendQueue,
          receiveQueueBytes: receiveQueue,
          userId: rest.userId,
        })),
      incomplete: tcp4.truncated || (tcp6.ok && tcp6.truncated),
    };
  },
});

/** The most frequent first. */
function countBy(names: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([a, one], [b, other]) => other - one || compareText(a, b));
}
