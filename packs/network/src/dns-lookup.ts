import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { DNS_TYPES } from "./dns-types.ts";
import * as sources from "./sources.ts";

export const dnsLookup = probe({
  description:
    "Asks the host's name servers for one name as it is, without search domains: what they answer, which one did, and how " +
    "fast. Tells a name that is not there from a server that fails, refuses or says nothing. The name leaves the host.",
  params: t.object({
    name: t.string({ maxLength: 253, description: "with PTR also an address" }),
    type: t.optional(t.enumOf(DNS_TYPES, { description: "A when left out" })),
  }),
  result: t.object({
    question: t.string(),
    type: t.string(),
    verdict: t.string({ description: "in words" }),
    isAnswered: t.boolean({ description: "whatever the answer is" }),
    server: t.nullable(t.string({ description: "that answered last" })),
    rcode: t.nullable(t.string()),
    answers: t.array(
      t.object({ name: t.string(), type: t.string(), ttlSeconds: t.integer(), value: t.string() }),
    ),
    tried: t.array(
      t.object({
        server: t.string(),
        outcome: t.string(),
        rcode: t.nullable(t.string()),
        ms: t.number(),
      }),
    ),
    ms: t.number(),
    incomplete: t.boolean(),
  }),
  reads: {
    lookup: read(sources.lookup, { with: { name: param("name"), type: param("type", "A") } }),
  },
  run({ params, reads }) {
    const { question, tried, answers, truncated } = reads.lookup;
    const answered = tried.findLast(({ outcome }) => outcome === "answered");
    const type = params.type ?? "A";
    return {
      question,
      type,
      verdict:
        answered?.rcode === undefined
          ? explainSilence(tried.map(({ outcome }) => outcome))
          : explainCode(
              answered.rcode,
              answers.some((one) => one.type === type),
            ),
      isAnswered: answered !== undefined,
      server: answered?.server ?? null,
      rcode: answered?.rcode ?? null,
      answers,
      tried: tried.map((one) => ({ ...one, rcode: one.rcode ?? null })),
      ms: Math.round(tried.reduce((sum, { ms }) => sum + ms, 0) * 10) / 10,
      incomplete: truncated,
    };
  },
});

/** RFC 1035, 4.1.1. */
function explainCode(rcode: string, hasRecord: boolean): string {
  switch (rcode) {
    case "NOERROR":
      return hasRecord ? "answered" : "the name is there, without a record of this type";
    case "NXDOMAIN":
      return "there is no such name";
    case "SERVFAIL":
      return "the server failed: its upstream is silent or broken, or the answer's signature is wrong";
    case "REFUSED":
      return "the server refuses to answer this host";
    default:
      return `the server answered with ${rcode}`;
  }
}

function explainSilence(outcomes: readonly string[]): string {
  const kinds = [...new Set(outcomes)].map((outcome) => SILENCE.get(outcome) ?? outcome);
  return kinds.length === 0 ? "there was no time to ask" : kinds.join("; ");
}

const SILENCE: ReadonlyMap<string, string> = new Map([
  ["timeout", "no answer in time: a packet filter, or a server that is down"],
  ["connection-refused", "the server's machine is there, but nothing listens for questions"],
  ["unreachable", "no route leads to the server"],
  ["not-permitted", "this host does not let the agent's runner reach the server"],
  ["malformed", "what came is no answer of a name server"],
]);
