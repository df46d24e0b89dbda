import type { TlsSource } from "@sonde/schemas/manifest";
import { checkEndpoint } from "../endpoint.ts";
import type { HoleText } from "../render-template.ts";
import { renderSetting, settingsOf } from "../setting.ts";
import type { SourceRules } from "../source-rules.ts";
import { holePattern } from "../template.ts";

export const tlsRules: SourceRules<"tls"> = {
  title: "Connects to a port over the network, and sends nothing",
  words: () => [],
  settings: ({ endpoint }) => settingsOf([endpoint, "endpoint"]),
  check({ endpoint }, refuse) {
    if (typeof endpoint === "string") checkEndpoint(endpoint, refuse);
  },
  level: () => "observe",
  needs: (source) => ({ hosts: show(source, (it) => holePattern(it, source.holes)) }),
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe: (source, textOf) => `connection to ${show(source, textOf)}`,
};

function show({ endpoint, only }: TlsSource, textOf: HoleText): string {
  return `${renderSetting(endpoint, textOf)} ${only === "connect" ? "TCP" : "TLS"}`;
}
