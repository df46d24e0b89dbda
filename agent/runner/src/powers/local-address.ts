import { BlockList, isIPv6 } from "node:net";
import type { Reach } from "./power.ts";

/** What `IPAddressAllow=localhost` allows (systemd.resource-control(5)). */
const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** True for an address that this process may reach. Asked before, since a dropped packet tells nothing. */
export function isWithinReach(address: string, reach: Reach): boolean {
  return reach === "anywhere" || LOOPBACK.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
