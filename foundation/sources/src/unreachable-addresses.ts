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

const LISTS = NETWORKS.map(([family, network, prefix, what]) => {
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return { list, what };
});

/**
 * Says why no pack may reach an address, whoever named it; null when it may, and for a name. A link-local address
 * leads to another machine on each link, and 169.254.169.254 to the credentials of this one.
 */
export function whyUnreachable(address: string): string | null {
  if (isIP(address) === 0) return null;
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  const found = LISTS.find(({ list }) => list.check(address, family));
  return found === undefined ? null : `${address}, ${found.what}`;
}
