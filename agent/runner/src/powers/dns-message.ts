import { decode, encode, RECURSION_DESIRED, type Answer, type RecordType } from "dns-packet";
import type { DnsData } from "@sonde/schemas/reads";

/** `type` is one of DNS_TYPES. */
export type Question = { name: string; type: string };

export type Reply = {
  /** Such as NOERROR or NXDOMAIN. */
  rcode: string;
  /** It did not fit the packet, and is to be asked for by TCP. */
  isCut: boolean;
  answers: DnsData["answers"];
};

/** What fits a packet on every path (DNS flag day 2020). */
const UDP_BYTES = 1232;

/** The bytes of a question that asks for recursion. */
export function encodeQuestion({ name, type }: Question, id: number): Buffer {
  return encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ name: withoutDot(name), type: type as RecordType }],
    additionals: [
      { type: "OPT", name: ".", udpPayloadSize: UDP_BYTES, flags: 0, options: [] } as never,
    ],
  });
}

/**
 * Reads what a server sent, which may be anything.
 *
 * @returns null for bytes that do not answer this question
 * @throws Error for an answer that cannot be understood
 */
export function decodeReply(bytes: Buffer, question: Question, id: number): Reply | null {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== id) return null;
  const packet = decode(bytes);
  const [asked] = packet.questions ?? [];
  const isOurs = asked?.type === question.type && isSameName(asked.name, question.name);
  if (packet.type !== "response" || !isOurs) return null;
  // The types of the decoder leave the code out.
  const rcode = "rcode" in packet ? String(packet.rcode) : "";
  return { rcode, isCut: packet.flag_tc, answers: (packet.answers ?? []).flatMap(showAnswer) };
}

function isSameName(one: string, other: string): boolean {
  return withoutDot(one).toLowerCase() === withoutDot(other).toLowerCase();
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, "");
}

/** Records of kinds that nobody asks for, such as signatures, are left out. */
function showAnswer(record: Answer): DnsData["answers"] {
  const value = showValue(record);
  if (value === null) return [];
  const ttlSeconds = "ttl" in record && typeof record.ttl === "number" ? record.ttl : 0;
  return [{ name: printable(record.name), type: record.type, ttlSeconds, value: printable(value) }];
}

/** The types whose record is one name or address. */
const ONE_NAME: ReadonlySet<string> = new Set(["A", "AAAA", "CNAME", "NS", "PTR"]);

function showValue(record: Answer): string | null {
  if (record.type === "MX") return `${record.data.preference ?? 0} ${record.data.exchange}`;
  if (record.type === "TXT") return [record.data].flat().map(String).join("");
  if (record.type === "SRV") {
    const { priority = 0, weight = 0, port, target } = record.data;
    return `${priority} ${weight} ${port} ${target}`;
  }
  if (record.type === "SOA") {
    const { mname, rname, serial, refresh, retry, expire, minimum } = record.data;
    return [mname, rname, serial, refresh, retry, expire, minimum].join(" ");
  }
  if (!ONE_NAME.has(record.type) || !("data" in record)) return null;
  return typeof record.data === "string" ? record.data : null;
}

/** Each byte that is no printable ASCII as `\DDD` (RFC 1035, 5.1). */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/gu, (sign) =>
    [...Buffer.from(sign)].map((byte) => `\\${String(byte).padStart(3, "0")}`).join(""),
  );
}
