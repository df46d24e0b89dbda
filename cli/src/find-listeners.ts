import { existsSync, readFileSync } from "node:fs";
import { endianness } from "node:os";

const LISTENING = "0A";
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

export const IPV4_LOOPBACK = "127.0.0.1";
const IPV4 = new Map([
  [IPV4_LOOPBACK, [127, 0, 0, 1]],
  ["0.0.0.0", [0, 0, 0, 0]],
]);
const mapped = (address: number[]) => [...Array<number>(10).fill(0), 255, 255, ...address];
/** The bytes of each address, as it is written. */
const BYTES = new Map([
  ...IPV4,
  ...[...IPV4].map(([written, bytes]) => [`::ffff:${written}`, mapped(bytes)] as const),
  ["::", Array<number>(16).fill(0)],
  ["::1", [...Array<number>(15).fill(0), 1]],
]);

const REACHED_BY_IPV4 = [...BYTES.keys()].filter((address) => address !== "::1");
/** The addresses of sockets that may take a connection, by the loopback name in its URL. */
export const REACHED_BY: ReadonlyMap<string, readonly string[]> = new Map([
  [IPV4_LOOPBACK, REACHED_BY_IPV4],
  ["[::1]", ["::1", "::"]],
  ["localhost", [...BYTES.keys()]],
]);

/**
 * The owners of the sockets that listen at this port of exactly these addresses (proc_pid_net(5)).
 * The kernel prefers a socket at one address to those at every address.
 */
export function findListeners(port: number, addresses: readonly string[]): number[] {
  const suffix = port.toString(16).padStart(4, "0").toUpperCase();
  const wanted = new Set(
    addresses.map((address) => `${inMemory(BYTES.get(address) ?? [])}:${suffix}`),
  );
  // A kernel without IPv6 has no second table.
  return TABLES.filter((table) => existsSync(table))
    .flatMap((table) => readFileSync(table, "utf8").split("\n"))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", , state]) => wanted.has(local) && state === LISTENING)
    .map((fields) => Number(fields[7]));
}

/** An address as the tables have it: words of four bytes, each as a number of this machine. */
function inMemory(bytes: readonly number[]): string {
  const words = Array.from({ length: bytes.length / 4 }, (_, index) =>
    bytes.slice(4 * index, 4 * index + 4),
  );
  const ordered = words.flatMap((word) => (endianness() === "LE" ? word.toReversed() : word));
  return Buffer.from(ordered).toString("hex").toUpperCase();
}
