import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { certificate, daysUntil, showTimes } from "./show.ts";
import * as sources from "./sources.ts";

export const endpoint = probe({
  description:
    "The certificates of a TLS server at an endpoint that the host's administrator named for this pack: when each ends, its " +
    "names and issuer, and what is wrong with them by what the host trusts. Nothing is sent above TLS.",
  params: t.object({ endpoint: t.string({ maxLength: 260, description: "HOST:PORT" }) }),
  result: t.object({
    endpoint: t.string(),
    verdict: t.string({ description: "in words" }),
    isTrusted: t.boolean(),
    problems: t.array(t.string()),
    daysLeft: t.nullable(t.number(), { description: "of the certificate that ends first" }),
    protocol: t.nullable(t.string()),
    cipher: t.nullable(t.string()),
    certificates: t.array(t.object(certificate)),
    addresses: t.array(t.object({ address: t.string(), outcome: t.string(), ms: t.number() })),
    lookupMs: t.number(),
    handshakeMs: t.nullable(t.number()),
    incomplete: t.boolean(),
  }),
  reads: { server: read(sources.handshake, { with: { endpoint: param("endpoint") } }) },
  run({ reads, now }) {
    const { handshake, addresses, chain, lookupMs, truncated } = reads.server;
    const daysLeft = chain.map(({ notAfter }) => daysUntil(notAfter, now));
    const problems = handshake?.problems ?? [];
    return {
      endpoint: reads.server.endpoint,
      verdict: explain(
        addresses.map(({ outcome }) => outcome),
        handshake,
      ),
      isTrusted: handshake?.protocol !== undefined && problems.length === 0,
      problems,
      daysLeft: chain.length === 0 ? null : Math.min(...daysLeft),
      protocol: handshake?.protocol ?? null,
      cipher: handshake?.cipher ?? null,
      certificates: chain.map((one) => ({ ...one, ...showTimes(one, now) })),
      addresses,
      lookupMs,
      handshakeMs: handshake?.ms ?? null,
      incomplete: truncated,
    };
  },
});

type Handshake = { failure?: string; problems: readonly string[] };

function explain(outcomes: readonly string[], handshake: Handshake | undefined): string {
  if (outcomes.length === 0) return "the name has no address";
  if (handshake === undefined) return `no connection: ${[...new Set(outcomes)].join(", ")}`;
  if (handshake.failure !== undefined) return `no TLS: ${handshake.failure}`;
  if (handshake.problems.length === 0) return "this host trusts the certificate";
  return handshake.problems.map((problem) => MEANINGS.get(problem) ?? problem).join("; ");
}

const MEANINGS: ReadonlyMap<string, string> = new Map([
  ["expired", "a certificate has expired"],
  ["not-yet-valid", "a certificate is not valid yet, or this host's clock is behind"],
  ["name-mismatch", "the certificate is for other names"],
  ["self-signed", "the certificate is signed by itself"],
  [
    "unknown-issuer",
    "this host does not know the issuer, or the server does not send the certificates in between",
  ],
  ["not-trusted", "this host does not trust the certificate"],
]);
