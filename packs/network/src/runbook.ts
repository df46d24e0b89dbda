import { type Rule, runbook } from "@sonde/pack-sdk/author";

const connection = ["remoteAddress", "remotePort", "localPort", "userId"];

const tcp: Rule<"tcp" | "sockets" | "listeners" | "closing" | "opening">[] = [
  {
    finding: "Connections are lost because a program accepts them too slowly.",
    ...{ severity: "warning", of: "tcp" },
    when: [{ value: "listenOverflows.meanwhile", atLeast: 1 }],
    show: ["listenOverflows.meanwhile", "listenOverflows.sinceBoot", "listenDrops.meanwhile"],
    next: ["network_listeners", "system_processes_top"],
  },
  {
    finding:
      "Connections were lost because a program accepted them too slowly, since the host booted.",
    ...{ severity: "info", of: "tcp" },
    when: [{ value: "listenOverflows.sinceBoot", atLeast: 1 }],
    show: ["listenOverflows.sinceBoot", "listenDrops.sinceBoot"],
    next: ["network_listeners"],
  },
  {
    finding: "Many connections wait for a program to accept them.",
    ...{ severity: "warning", of: "listeners", each: "listeners" },
    when: [{ value: "waiting", atLeast: 50 }],
    show: ["protocol", "address", "port", "userId", "waiting"],
    next: ["system_processes_top", "system_processes_stuck"],
  },
  {
    finding: "A large part of what TCP sends is lost on the way and sent again.",
    ...{ severity: "warning", of: "tcp" },
    when: [
      { value: "retransmittedPercent", atLeast: 5 },
      // Of a few segments one is a large part.
      { value: "sentSegmentsPerSecond", atLeast: 200 },
    ],
    show: ["retransmittedPercent", "retransmittedPercentSinceBoot", "sentSegmentsPerSecond"],
    next: ["network_interfaces", "network_connections"],
  },
  {
    finding: "The kernel ends connections because TCP has no memory left.",
    ...{ severity: "critical", of: "tcp" },
    when: [{ value: "abortsForMemory.meanwhile", atLeast: 1 }],
    show: ["abortsForMemory.meanwhile", "abortsForMemory.sinceBoot"],
    next: ["network_sockets_summary", "network_connections"],
  },
  {
    finding: "UDP packets are lost because programs read them too slowly.",
    ...{ severity: "warning", of: "tcp" },
    when: [{ value: "udpFullReceiveBuffers.meanwhile", atLeast: 10 }],
    show: ["udpFullReceiveBuffers.meanwhile", "udpFullReceiveBuffers.sinceBoot"],
    next: ["network_listeners", "system_cpu_usage"],
  },
  {
    finding: "TCP holds many connections that no program has any more.",
    ...{ severity: "warning", of: "sockets", when: [{ value: "tcpOrphans", atLeast: 2000 }] },
    show: ["tcpOrphans", "tcpTimeWait", "tcpMemoryPages"],
    next: ["network_connections"],
  },
  {
    finding: "A program does not close connections that its peers have closed.",
    ...{ severity: "warning", of: "closing", when: [{ value: "connectionCount", atLeast: 200 }] },
    show: ["connectionCount"],
    next: ["network_connections"],
  },
  {
    finding: "Many attempts to connect get no answer: a peer or a firewall is silent.",
    ...{ severity: "warning", of: "opening", when: [{ value: "connectionCount", atLeast: 50 }] },
    show: ["connectionCount"],
    next: ["network_connections", "network_routes", "network_neighbours"],
  },
  {
    finding: "Attempts to connect wait for an answer.",
    ...{ severity: "info", of: "opening", each: "connections", when: [], show: connection },
    next: ["network_connections"],
  },
  {
    finding: "The table of connections was longer than the read allows.",
    ...{ severity: "unseen", of: "closing", when: [{ value: "incomplete", is: true }] },
    show: ["connectionCount"],
  },
];

const link: Rule<"interfaces" | "routes" | "neighbours" | "resolver" | "names">[] = [
  {
    finding: "An interface has errors: a cable, a card or a driver.",
    ...{ severity: "warning", of: "interfaces", each: "interfaces" },
    when: [{ value: "errorsMeanwhile", atLeast: 1 }],
    show: ["name", "state", "errorsMeanwhile", "errorsSinceBoot"],
    next: ["network_interfaces", "journal_kernel"],
  },
  {
    // Packets of protocols that nobody here speaks are dropped on every network.
    finding: "An interface drops many packets.",
    ...{ severity: "warning", of: "interfaces", each: "interfaces" },
    when: [{ value: "dropsMeanwhile", atLeast: 100 }],
    show: ["name", "state", "dropsMeanwhile", "dropsSinceBoot", "receivedBytesPerSecond"],
    next: ["network_interfaces", "system_cpu_usage"],
  },
  {
    // A bridge without members is down as well.
    finding: "An interface with an address is down.",
    ...{ severity: "info", of: "interfaces", each: "interfaces" },
    when: [
      { value: "state", oneOf: ["DOWN", "LOWERLAYERDOWN", "DORMANT"] },
      { value: "addresses", atLeast: 1 },
    ],
    show: ["name", "state", "addresses"],
    next: ["network_interfaces", "network_routes"],
  },
  {
    finding: "There is no default route: the host reaches its own networks only.",
    ...{ severity: "info", of: "routes", when: [{ value: "defaultRouteCount", below: 1 }] },
    show: ["routeCount"],
    next: ["network_routes", "network_interfaces"],
  },
  {
    finding:
      "Hosts of the same network do not answer; if a gateway is among them, nothing beyond it is reached.",
    ...{ severity: "info", of: "neighbours" },
    when: [{ value: "unansweredCount", atLeast: 1 }],
    show: ["unansweredCount", "neighbourCount"],
    next: ["network_neighbours", "network_routes"],
  },
  {
    finding: "No name server is configured.",
    ...{ severity: "info", of: "resolver", when: [{ value: "servers", below: 1 }] },
    show: ["servers", "hostsFrom"],
    next: ["network_resolver"],
  },
  {
    finding: "No name server answers, so the host finds no other by its name.",
    ...{ severity: "critical", of: "names" },
    when: [
      { value: "isAnswered", is: false },
      // A host without a name server asks itself, and nobody listens.
      { value: "verdict", contains: ["no answer in time", "is no answer"] },
    ],
    show: ["verdict", "question", "ms"],
    next: ["network_dns_lookup", "network_resolver", "network_routes"],
  },
  {
    finding: "A name server does not answer: each look-up waits for it first.",
    ...{ severity: "warning", of: "names", each: "tried" },
    when: [{ value: "outcome", oneOf: ["timeout"] }],
    show: ["server", "ms"],
    next: ["network_dns_lookup", "network_resolver"],
  },
  {
    // A host of a network without name servers may well have one in its configuration.
    finding: "No route leads to a name server.",
    ...{ severity: "info", of: "names", each: "tried" },
    when: [{ value: "outcome", oneOf: ["unreachable"] }],
    show: ["server"],
    next: ["network_routes", "network_resolver"],
  },
  {
    finding: "Name servers beyond the third are never asked.",
    ...{ severity: "info", of: "resolver", when: [{ value: "ignoredServers", atLeast: 1 }] },
    show: ["servers", "ignoredServers"],
  },
];

export const networkRunbook = runbook({
  description:
    "Packets that are lost, connections that wait or are not closed, interfaces that are down, routes, and name servers that do not answer.",
  probes: {
    interfaces: { probe: "interfaces", params: { limit: 500 } },
    sockets: { probe: "sockets.summary" },
    listeners: { probe: "listeners", params: { limit: 100 } },
    closing: { probe: "connections", params: { state: "close-wait", limit: 1 } },
    opening: { probe: "connections", params: { state: "syn-sent", limit: 10 } },
    tcp: { probe: "tcp.health" },
    routes: { probe: "routes", params: { limit: 1 } },
    neighbours: { probe: "neighbours", params: { limit: 1 } },
    resolver: { probe: "resolver" },
    // Each name server knows this name, and it tells nobody anything.
    names: { probe: "dns.lookup", params: { name: "localhost" } },
  },
  rules: [...tcp, ...link],
});
