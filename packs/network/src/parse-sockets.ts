import { splitLines, splitWords } from "@sonde/pack-sdk/parse";

/** One socket of `/proc/net/{tcp,tcp6,udp,udp6}`; proc_pid_net(5). */
export type Socket = {
  localAddress: string;
  localPort: number;
  remoteAddress: string;
  remotePort: number;
  /** Such as `established`; for UDP, what TCP calls its state's number. */
  state: string;
  /** Bytes that wait to be sent, or to be acknowledged. */
  sendQueue: number;
  /** Bytes that wait to be read; of a listener, connections that wait to be accepted. */
  receiveQueue: number;
  userId: number;
};

const STATES = new Map([
  ["01", "established"],
  ["02", "syn-sent"],
  ["03", "syn-received"],
  ["04", "fin-wait-1"],
  ["05", "fin-wait-2"],
  ["06", "time-wait"],
  ["07", "closed"],
  ["08", "close-wait"],
  ["09", "last-ack"],
  ["0A", "listening"],
  ["0B", "closing"],
]);
const LINE =
  /^\s*\d+: ([0-9A-F]{8,32}):([0-9A-F]{4}) ([0-9A-F]{8,32}):([0-9A-F]{4}) ([0-9A-F]{2}) ([0-9A-F]+):([0-9A-F]+) /;

/** Parses a table of sockets. A line of another form, such as one that was cut, is skipped. */
export function parseSockets(text: string): Socket[] {
  return splitLines(text).flatMap((line) => {
    const [, local, localPort, remote, remotePort, state, sent, received] = LINE.exec(line) ?? [];
    if (local === undefined || remote === undefined || state === undefined) return [];
    return {
      localAddress: formatAddress(local),
      localPort: parseHex(localPort),
      remoteAddress: formatAddress(remote),
      remotePort: parseHex(remotePort),
      state: STATES.get(state) ?? state,
      sendQueue: parseHex(sent),
      receiveQueue: parseHex(received),
      userId: Number(splitWords(line)[7]),
    };
  });
}

const parseHex = (text = "0"): number => Number.parseInt(text, 16);

/** The kernel writes an address as numbers of 32 bits, each in the machine's own order of bytes. */
function formatAddress(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).map(parseHex).toReversed());
  if (bytes.length === 4) return bytes.join(".");
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255;
  if (isMapped) return bytes.slice(12).join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return shorten(groups);
}

/** The longest run of zeros becomes `::`; RFC 5952, section 4.2. */
function shorten(groups: readonly string[]): string {
  let [from, length] = [0, 0];
  for (let start = 0; start < groups.length; start += 1) {
    let end = start;
    while (groups[end] === "0") end += 1;
    if (end - start > length) [from, length] = [start, end - start];
  }
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, from).join(":")}::${groups.slice(from + length).join(":")}`;
}
