import { param, probe, read, t } from "@sonde/pack-sdk/author";
import * as sources from "./sources.ts";

export const reach = probe({
  description:
    "Whether the host can connect by TCP to an endpoint that its administrator named for this pack: each address of the " +
    "name, and how fast. Tells a name without an address, a closed port, silence and a missing route apart. Sends nothing.",
  params: t.object({ endpoint: t.string({ maxLength: 260, description: "HOST:PORT" }) }),
  result: t.object({
    endpoint: t.string(),
    verdict: t.string({ description: "in words" }),
    isReachable: t.boolean({ description: "by at least one address" }),
    lookupMs: t.number(),
    addresses: t.array(t.object({ address: t.string(), outcome: t.string(), ms: t.number() })),
  }),
  reads: { connection: read(sources.connection, { with: { endpoint: param("endpoint") } }) },
  run({ reads }) {
    const { endpoint, lookupMs, addresses } = reads.connection;
    const outcomes = new Set(addresses.map(({ outcome }) => outcome));
    return {
      endpoint,
      verdict: explain(outcomes),
      isReachable: outcomes.has("connected"),
      lookupMs,
      addresses,
    };
  },
});

function explain(outcomes: ReadonlySet<string>): string {
  if (outcomes.size === 0) return "the name has no address";
  return [...outcomes].map((outcome) => MEANINGS.get(outcome) ?? outcome).join("; ");
}

const MEANINGS: ReadonlyMap<string, string> = new Map([
  ["connected", "a server accepts connections"],
  ["connection-refused", "the machine is there, but nothing listens at the port"],
  ["timeout", "no answer in time: a packet filter, or a machine that is down"],
  ["unreachable", "no route leads there, or a router refuses"],
]);
