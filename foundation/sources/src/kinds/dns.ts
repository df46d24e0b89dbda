import { isIP } from "node:net";
import { DNS_TYPES, type DnsSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { fitsHole } from "../check-hole.ts";
import { type HoleText, filledWith } from "../render-template.ts";
import { renderSetting, settingsOf } from "../setting.ts";
import type { SourceRules } from "../source-rules.ts";
import { holePattern } from "../template.ts";
import { whyUnreachable } from "../unreachable-addresses.ts";

const types: readonly string[] = DNS_TYPES;

export const dnsRules: SourceRules<"dns"> = {
  title: "Asks a name server over the network",
  words: () => [],
  settings: ({ name, type }) => settingsOf([name, "dns-name"], [type, "enum"]),
  check({ name, server, type, holes }, refuse) {
    if (server !== "resolver") {
      const { address, port } = parseServer(server);
      if (isIP(address) === 0 || port > 65535) refuse(`expected an address, got ${server}`);
      const why = whyUnreachable(address);
      if (why !== null) refuse(`expected a server that packs may ask, got ${why}`);
    }
    if (typeof name === "string" && !fitsHole({ type: "dns-name" }, name)) {
      refuse(`expected a name as DNS has it, got ${name}`);
    }
    const asked = typeof type === "object" ? holes?.[type.hole] : undefined;
    if (asked?.type === "enum" && !asked.values.every((value) => types.includes(value))) {
      refuse(`expected types of ${types.join(", ")}`);
    }
  },
  level: () => "observe",
  needs(source) {
    const { server, type, name } = renderQuestion(source, (it) => holePattern(it, source.holes));
    return { hosts: `${server} DNS ${type} ${name}` };
  },
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe(source, textOf) {
    const { server, type, name } = renderQuestion(source, textOf);
    const who = server === "resolver" ? "the servers of /etc/resolv.conf" : server;
    return `DNS ${type} ${name} at ${who}`;
  },
};

function renderQuestion({ server, type, name }: DnsSource, textOf: HoleText) {
  return { server, type: renderSetting(type, textOf), name: renderSetting(name, textOf) };
}

/** What is asked, for filled holes. */
export function renderDnsQuestion(source: DnsSource, values: FilledRead["values"]) {
  return renderQuestion(source, filledWith(values));
}

/** Parses `192.0.2.1`, `192.0.2.1:5353` and `[2001:db8::1]:5353`. */
export function parseServer(server: string): { address: string; port: number } {
  const [, six, four, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d+))?$/.exec(server) ?? [];
  return { address: six ?? four ?? "", port: port === undefined ? 53 : Number(port) };
}
