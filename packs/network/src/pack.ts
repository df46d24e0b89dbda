import { pack } from "@sonde/pack-sdk/author";
import { connections } from "./connections.ts";
import { dnsLookup } from "./dns-lookup.ts";
import { interfaces } from "./interfaces.ts";
import { listeners } from "./listeners.ts";
import { neighbours } from "./neighbours.ts";
import { reach } from "./reach.ts";
import { resolver } from "./resolver.ts";
import { routes } from "./routes.ts";
import { networkRunbook } from "./runbook.ts";
import { socketsSummary } from "./sockets-summary.ts";
import * as sources from "./sources.ts";
import { tcpHealth } from "./tcp-health.ts";

export default pack({
  name: "sonde/network",
  version: "0.1.0",
  description:
    "The network of a Linux host: interfaces, sockets, connections, TCP's health, routes, neighbours and name servers.",
  license: "Apache-2.0",
  repository: "https://sonde.example/source",
  sources,
  probes: {
    interfaces,
    "sockets.summary": socketsSummary,
    listeners,
    connections,
    "tcp.health": tcpHealth,
    routes,
    neighbours,
    resolver,
    "dns.lookup": dnsLookup,
    reach,
  },
  runbook: networkRunbook,
});
