import { hole, source } from "@sonde/pack-sdk/author";
import { DNS_TYPES } from "./dns-types.ts";

/** Two looks, a second apart, for what the kernel only counts. */
const samples = { count: 2, intervalMs: 1000 } as const;
const tableOf = (name: string) =>
  source.file({ path: `/proc/net/${name}`, maxBytes: 4194304, timeoutMs: 4000 });

export const deviceLooks = source.file({ path: "/proc/net/dev", maxBytes: 262144, samples });
export const addresses = source.exec({ command: "ip", argv: ["-j", "addr"], maxBytes: 1048576 });
export const sockets4 = source.file({ path: "/proc/net/sockstat", maxBytes: 4096 });
export const sockets6 = source.file({ path: "/proc/net/sockstat6", maxBytes: 4096 });
export const tcp4 = tableOf("tcp");
export const tcp6 = tableOf("tcp6");
export const udp4 = tableOf("udp");
export const udp6 = tableOf("udp6");
export const snmpLooks = source.file({ path: "/proc/net/snmp", samples });
export const netstatLooks = source.file({ path: "/proc/net/netstat", samples });
export const routes4 = source.exec({
  command: "ip",
  argv: ["-j", "route", "show"],
  maxBytes: 1048576,
});
export const routes6 = source.exec({
  command: "ip",
  argv: ["-j", "-6", "route", "show"],
  maxBytes: 1048576,
});
export const neighbours = source.exec({
  command: "ip",
  argv: ["-j", "neigh", "show"],
  maxBytes: 1048576,
});
export const resolverFile = source.file({ path: "/etc/resolv.conf", maxBytes: 16384 });
export const nameServices = source.file({ path: "/etc/nsswitch.conf", maxBytes: 16384 });
export const lookup = source.dns({
  name: hole.dnsName("name"),
  type: hole.enumOf("type", DNS_TYPES),
});
export const connection = source.tls({ endpoint: hole.endpoint("endpoint"), only: "connect" });
