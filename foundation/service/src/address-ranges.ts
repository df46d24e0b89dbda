import { BlockList, isIP } from "node:net";
import { SondeError } from "@sonde/schemas/errors";

const BITS: Record<number, number> = { 4: 32, 6: 128 };
const MAPPED = /^::ffff:/i;

/**
 * Compiles addresses and networks, such as `192.0.2.7`, `10.0.0.0/8` and `2001:db8::/32`.
 *
 * @returns a function that gives the index of the one that an address is in; -1 for none, and for
 *   what is no address
 * @throws SondeError BAD_REQUEST for what is neither. An IPv4 address written as IPv6, such as
 *   `::ffff:192.0.2.7`, is refused too: written as IPv4 it fits a client that comes either way.
 */
export function compileRanges(ranges: readonly string[]): (address: string) => number {
  const lists = ranges.map(compileRange);
  return (address) => {
    // A link-local address of a client names its interface.
    const [bare = ""] = address.split("%");
    const plain = MAPPED.test(bare) && isIP(bare.slice(7)) === 4 ? bare.slice(7) : bare;
    const family = isIP(plain);
    if (family === 0) return -1;
    return lists.findIndex((list) => list.family === family && list.check(plain));
  };
}

function compileRange(range: string): { family: number; check: (address: string) => boolean } {
  const [address = "", prefix, ...more] = range.split("/");
  const family = isIP(address);
  const bits = BITS[family] ?? 0;
  const isSound =
    bits > 0 &&
    more.length === 0 &&
    !address.includes("%") &&
    !MAPPED.test(address) &&
    (prefix === undefined || (/^(0|[1-9][0-9]{0,2})$/.test(prefix) && Number(prefix) <= bits));
  if (!isSound) {
    throw new SondeError(
      "BAD_REQUEST",
      `addresses: expected addresses or networks such as 192.0.2.7, 10.0.0.0/8 and 2001:db8::/32, got ${JSON.stringify(range)}`,
    );
  }
  const name = family === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(address, Number(prefix ?? bits), name);
  return { family, check: (asked) => list.check(asked, name) };
}
