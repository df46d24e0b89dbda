import { BlockList, isIP } from "node:net";
import { SondeError } from "@sonde/schemas/errors";

const BITS: Record<number, number> = { 4: 32, 6: 128 };

/**
 * Checks the addresses of proxies whose `X-Forwarded-For` is believed: IP addresses, or networks
 * such as `10.1.0.0/16`. The network of all addresses is refused, since every client would then
 * choose the address that it is limited and recorded by.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function requireProxyAddresses(proxies: readonly string[]): void {
  for (const proxy of proxies) {
    const [address = "", prefix, ...more] = proxy.split("/");
    const bits = BITS[isIP(address)] ?? 0;
    const isNetwork = prefix === undefined || /^[1-9][0-9]{0,2}$/.test(prefix);
    if (bits > 0 && isNetwork && Number(prefix ?? bits) <= bits && more.length === 0) continue;
    throw new SondeError(
      "CONFIG_INVALID",
      `expected trustedProxies to be addresses or networks such as 10.1.0.0/16, got ${JSON.stringify(proxy)}`,
    );
  }
}

/**
 * Returns a function that says whether an address is that of a trusted proxy. A list that `read`
 * gives in place of the last one counts from then on.
 *
 * @param read gives a list that `requireProxyAddresses` accepts
 */
export function createProxyTrust(read: () => readonly string[]): (address: string) => boolean {
  let known: readonly string[] | null = null;
  let list = new BlockList();
  return (address) => {
    const now = read();
    if (now !== known) {
      known = now;
      list = listOf(now);
    }
    const family = isIP(address);
    return family !== 0 && list.check(address, nameOf(family));
  };
}

function listOf(proxies: readonly string[]): BlockList {
  const list = new BlockList();
  for (const proxy of proxies) {
    const [address = "", prefix] = proxy.split("/");
    const family = isIP(address);
    list.addSubnet(address, Number(prefix ?? BITS[family]), nameOf(family));
  }
  return list;
}

function nameOf(family: number): "ipv4" | "ipv6" {
  return family === 4 ? "ipv4" : "ipv6";
}
