import type { TlsSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { type HostAndPort, parseEndpoint } from "../endpoint.ts";
import { type HoleText, filledWith } from "../render-template.ts";
import { renderSetting, settingsOf } from "../setting.ts";
import type { SourceRules } from "../source-rules.ts";
import { holePattern } from "../template.ts";
import { whyUnreachable } from "../unreachable-addresses.ts";

export const tlsRules: SourceRules<"tls"> = {
  title: "Connects to a port over the network, and sends nothing",
  words: () => [],
  settings: ({ endpoint }) => settingsOf([endpoint, "endpoint"]),
  check({ endpoint }, refuse) {
    if (typeof endpoint === "object") return;
    const parsed = parseEndpoint(endpoint);
    if (parsed === null) return refuse(`expected a host and a port, got ${endpoint}`);
    const why = whyUnreachable(parsed.host);
    if (why !== null) refuse(`expected a host that packs may reach, got ${why}`);
  },
  level: () => "observe",
  needs: (source) => ({ hosts: show(source, (it) => holePattern(it, source.holes)) }),
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe: (source, textOf) => `connection to ${show(source, textOf)}`,
};

function show({ endpoint, only }: TlsSource, textOf: HoleText): string {
  return `${renderSetting(endpoint, textOf)} ${only === "connect" ? "TCP" : "TLS"}`;
}

/** Where to connect, for filled holes; null for what is no endpoint. */
export function renderEndpoint(
  source: TlsSource,
  values: FilledRead["values"],
): ({ text: string } & HostAndPort) | null {
  const text = renderSetting(source.endpoint, filledWith(values));
  const parsed = parseEndpoint(text);
  return parsed === null ? null : { text, ...parsed };
}

/**
 * Returns the endpoints that a caller chose and nobody named: one that fills a hole has to be among
 * those of the grant.
 */
export function unnamedEndpoints(
  { source, values }: FilledRead,
  named: readonly string[] = [],
): string[] {
  return Object.entries(source.holes ?? {}).flatMap(([name, { type }]) => {
    const value = Object.hasOwn(values, name) ? (values[name] ?? "") : "";
    return type === "endpoint" && !named.includes(value) ? [value] : [];
  });
}
