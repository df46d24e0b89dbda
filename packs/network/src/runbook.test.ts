import { openRunbookTest } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import pack from "./pack.ts";

type Fields = Record<string, unknown>;

const none = { meanwhile: 0, sinceBoot: 0 };
const interfaceOf = (change: object) => ({
  interfaces: {
    interfaces: [
      {
        ...{ name: "eth0", state: "UP", mtu: 1500, addresses: ["192.0.2.1/24"] },
        ...{ errorsMeanwhile: 0, dropsMeanwhile: 0, errorsSinceBoot: 0, dropsSinceBoot: 0 },
        ...change,
      },
    ],
  },
});
const HEALTHY: Record<string, Fields> = {
  ...interfaceOf({}),
  sockets: { tcpOrphans: 3, tcpTimeWait: 30, tcpMemoryPages: 5 },
  listeners: { listeners: [{ protocol: "tcp", port: 22, waiting: 0 }] },
  closing: { connectionCount: 1, connections: [], incomplete: false },
  opening: { connectionCount: 0, connections: [], incomplete: false },
  tcp: {
    ...{ retransmittedPercent: 0.1, sentSegmentsPerSecond: 900, listenOverflows: none },
    ...{ listenDrops: none, abortsForMemory: none, udpFullReceiveBuffers: none },
  },
  routes: { defaultRouteCount: 1, routeCount: 3 },
  neighbours: { unansweredCount: 0, neighbourCount: 4 },
  resolver: { servers: ["192.0.2.53"], ignoredServers: [], hostsFrom: null },
  names: {
    ...{ question: "localhost", verdict: "answered", isAnswered: true, ms: 2 },
    tried: [{ server: "192.0.2.53:53", outcome: "answered", rcode: "NOERROR", ms: 2 }],
  },
};
const unanswered = (verdict: string) => ({ names: { isAnswered: false, verdict } });
const of = (meanwhile: number, sinceBoot = meanwhile) => ({ meanwhile, sinceBoot });

const CASES: [finding: string, severity: string, Record<string, Fields>][] = [
  ["Connections are lost because", "warning", { tcp: { listenOverflows: of(1) } }],
  ["Connections were lost because", "info", { tcp: { listenOverflows: of(0, 1) } }],
  ["Many connections wait for", "warning", { listeners: { listeners: [{ waiting: 50 }] } }],
  ["A large part of what TCP", "warning", { tcp: { retransmittedPercent: 5 } }],
  ["The kernel ends connections", "critical", { tcp: { abortsForMemory: of(1) } }],
  ["UDP packets are lost", "warning", { tcp: { udpFullReceiveBuffers: of(10) } }],
  ["TCP holds many connections", "warning", { sockets: { tcpOrphans: 2000 } }],
  ["A program does not close", "warning", { closing: { connectionCount: 200 } }],
  ["Many attempts to connect", "warning", { opening: { connectionCount: 50 } }],
  ["Attempts to connect wait", "info", { opening: { connections: [{ remotePort: 443 }] } }],
  ["The table of connections", "unseen", { closing: { incomplete: true } }],
  ["An interface has errors", "warning", interfaceOf({ errorsMeanwhile: 1 })],
  ["An interface drops many", "warning", interfaceOf({ dropsMeanwhile: 100 })],
  ["An interface with an address", "info", interfaceOf({ state: "DOWN" })],
  ["There is no default route", "info", { routes: { defaultRouteCount: 0 } }],
  ["Hosts of the same network", "info", { neighbours: { unansweredCount: 1 } }],
  ["No name server is", "info", { resolver: { servers: [] } }],
  ["No name server answers", "critical", unanswered("no answer in time: a packet filter")],
  ["No route leads to", "info", { names: { tried: [{ outcome: "unreachable", server: "a" }] } }],
  ["A name server does not", "warning", { names: { tried: [{ outcome: "timeout", ms: 4 }] } }],
  ["Name servers beyond", "info", { resolver: { ignoredServers: ["192.0.2.54"] } }],
  ["listenOverflows.meanwhile is not reported", "unseen", { tcp: { listenOverflows: null } }],
];
const FINE: [what: string, Record<string, Fields>][] = [
  ["a lost segment of few", { tcp: { retransmittedPercent: 50, sentSegmentsPerSecond: 2 } }],
  ["what every network drops", interfaceOf({ dropsMeanwhile: 3 })],
  ["an interface that nobody uses", interfaceOf({ state: "DOWN", addresses: [] })],
  [
    "a host without a name server",
    unanswered("the server's machine is there, but nothing listens for questions"),
  ],
  ["a short queue", { listeners: { listeners: [{ waiting: 49 }] } }],
];

const { findings, untested } = openRunbookTest(pack, HEALTHY);

test("a host in good order gives no finding", () => {
  expect(findings()).toEqual([]);
});

test.each(CASES)("%s %s", (finding, severity, change) => {
  expect(findings(change)).toContainEqual([severity, expect.stringContaining(finding)]);
});

test.each(FINE)("%s gives no finding", (_what, change) => {
  expect(findings(change)).toEqual([]);
});

test("each rule of the runbook is in these tests", () => {
  expect(untested(CASES.map(([finding]) => finding))).toEqual([]);
});
