import { probe, read, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { parseSockets, type Socket } from "./parse-sockets.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 100;

export const listeners = probe({
  description:
    "On which ports the host listens, TCP and UDP, from where they can be reached, and as which user. waiting counts " +
    "connections that no program has accepted yet; those are first. Which process it is the kernel tells only root.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 1000, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    listenerCount: t.integer(),
    listeners: t.array(
      t.object({
        protocol: t.string(),
        address: t.string({ description: "0.0.0.0 and :: are all addresses" }),
        port: t.integer(),
        reach: t.string({ description: "anywhere, loopback, or one address" }),
        userId: t.integer(),
        waiting: t.integer(),
      }),
    ),
    incomplete: t.boolean(),
  }),
  reads: {
    tcp4: sources.tcp4,
    tcp6: read(sources.tcp6, { optional: true }),
    udp4: read(sources.udp4, { optional: true }),
    udp6: read(sources.udp6, { optional: true }),
  },
  run({ params, reads }) {
    const { tcp4, tcp6, udp4, udp6 } = reads;
    const tcp = [tcp4.text, tcp6.ok ? tcp6.text : ""].flatMap(parseSockets);
    const udp = [udp4, udp6].flatMap((look) => (look.ok ? parseSockets(look.text) : []));
    const found = [
      ...tcp.filter(({ state }) => state === "listening").map((one) => describe("tcp", one)),
      // A UDP socket without a peer takes what comes.
      ...udp.filter(({ remotePort }) => remotePort === 0).map((one) => describe("udp", one)),
    ].sort(
      (a, b) =>
        b.waiting - a.waiting ||
        a.port - b.port ||
        compareText(a.protocol, b.protocol) ||
        compareText(a.address, b.address),
    );
    return {
      listenerCount: found.length,
      listeners: found.slice(0, params.limit ?? DEFAULT_LIMIT),
      incomplete: [tcp4, tcp6, udp4, udp6].some((look) => "truncated" in look && look.truncated),
    };
  },
});

function describe(protocol: string, { localAddress, localPort, userId, receiveQueue }: Socket) {
  return {
    protocol,
    address: localAddress,
    port: localPort,
    reach: reachOf(localAddress),
    userId,
    waiting: protocol === "tcp" ? receiveQueue : 0,
  };
}

function reachOf(address: string): string {
  if (address === "0.0.0.0" || address === "::") return "anywhere";
  return address === "::1" || address.startsWith("127.") ? "loopback" : "one address";
}
