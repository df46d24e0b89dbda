import { BlockList, isIP } from "node:net";

/** A cloud hands credentials to whoever asks there from one of its machines. */
const METADATA = "the metadata service of a cloud";
const LINK_LOCAL = "a link-local address";

const NETWORKS: [family: "ipv4" | "ipv6", network: string, prefix: number, what: string][] = [
  ["ipv4", "169.254.0.0", 16, LINK_LOCAL],
  ["ipv6", "fe80::", 10, LINK_LOCAL],
  ["ipv6", "fd00:ec2::254", 128, METADATA],
  ["ipv6", "fd20:ce::254", 128, METADATA],
  ["ipv4", "100.100.100.200", 32, METADATA],
  ["ipv4", "168.63.129.16", 32, METADATA],
  ["ipv4", "192.0.0.192", 32, METADATA],
  // The same behind an address of IPv6 that leads to IPv4: mapped ones are known to BlockList.
  ["ipv6", "64:ff9b::a9fe:0", 112, LINK_LOCAL],
  ["ipv6", "::a9fe:0", 112, LINK_LOCAL],
  ["ipv6", "2002:a9fe::", 32, LINK_LOCAL],
];

/** Networks that are not part of the public internet (RFC 6890 and the registries after it). */
const SPECIAL: typeof NETWORKS = [
  ["ipv4", "0.0.0.0", 8, "this network"],
  ["ipv4", "10.0.0.0", 8, "a private address"],
  ["ipv4", "100.64.0.0", 10, "an address shared behind a carrier"],
  ["ipv4", "127.0.0.0", 8, "a loopback address"],
  ["ipv4", "172.16.0.0", 12, "a private address"],
  ["ipv4", "192.0.0.0", 24, "an address of a protocol"],
  ["ipv4", "192.0.2.0", 24, "an address for documents"],
  ["ipv4", "192.88.99.0", 24, "a relay to IPv6"],
  ["ipv4", "192.168.0.0", 16, "a private address"],
  ["ipv4", "198.18.0.0", 15, "an address for benchmarks"],
  ["ipv4", "198.51.100.0", 24, "an address for documents"],
  ["ipv4", "203.0.113.0", 24, "an address for documents"],
  ["ipv4", "224.0.0.0", 3, "a multicast or reserved address"],
  ["ipv6", "::", 3, "no address of the public internet"],
  // What begins with 2000::/3 is public, but for these, which may lead to another network.
  ["ipv6", "2001::", 23, "an address of a protocol"],
  ["ipv6", "2001:db8::", 32, "an address for documents"],
  ["ipv6", "2002::", 16, "an address that leads to IPv4"],
  ["ipv6", "3fff::", 20, "an address for documents"],
  ["ipv6", "4000::", 2, "no address of the public internet"],
  ["ipv6", "8000::", 1, "no address of the public internet"],
];

const buildLists = (networks: typeof NETWORKS) =>
  networks.map(([family, network, prefix, what]) => {
    const list = new BlockList();
    list.addSubnet(network, prefix, family);
    return { family, list, what };
  });
const LISTS = buildLists(NETWORKS);
const SPECIAL_LISTS = buildLists(SPECIAL);

/**
 * Says why no pack may reach an address, whoever named it; null when it may, and for a name. A link-local address
 * leads to another machine on each link, and 169.254.169.254 to the credentials of this one.
 */
export function whyUnreachable(address: string): string | null {
  return findIn(LISTS, address);
}

/**
 * Says why an address is not on the public internet; null when it is. A service that fetches what a
 * stranger names must reach nothing else (attack 31).
 *
 * @param address an IP address, not a name
 */
export function whyNotPublic(address: string): string | null {
  if (isIP(address) === 0) return `${address}, no address`;
  const kind = isIP(address) === 6 ? "ipv6" : "ipv4";
  // A list of IPv6 would also be asked about the address of IPv4 in its mapped form, ::ffff:0:0/96.
  const ofKind = SPECIAL_LISTS.filter(({ family }) => family === kind);
  return findIn(LISTS, address) ?? findIn(ofKind, address);
}

function findIn(lists: typeof LISTS, address: string): string | null {
  if (isIP(address) === 0) return null;
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  const found = lists.find(({ list }) => list.check(address, family));
  return found === undefined ? null : `${address}, ${found.what}`;
}
