import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { decodeReply, encodeQuestion, type Question, type Reply } from "./dns-message.ts";
import { errnoOf } from "./read-failure.ts";

export type Server = { address: string; port: number };

/** What became of one question to one server. */
export type Asked =
  | { outcome: "answered"; reply: Reply; bytes: number }
  | {
      outcome: "timeout" | "connection-refused" | "unreachable" | "not-permitted" | "malformed";
    };

/** By the errno of a socket. */
const OUTCOMES: ReadonlyMap<string | null, "connection-refused" | "not-permitted"> = new Map([
  ["ECONNREFUSED", "connection-refused"],
  ["EPERM", "not-permitted"],
  ["EACCES", "not-permitted"],
]);

/** Asks one server by UDP, and by TCP when the answer does not fit a packet. Never throws. */
export async function askServer(
  server: Server,
  question: Question,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Asked> {
  const ended = AbortSignal.any([AbortSignal.timeout(Math.ceil(timeoutMs)), signal]);
  const asked = await ask(askByUdp, server, question, ended);
  const isCut = asked.outcome === "answered" && asked.reply.isCut;
  return isCut ? await ask(askByTcp, server, question, ended) : asked;
}

type Way = (
  server: Server,
  question: Buffer,
  take: (bytes: Buffer) => void,
  fail: (error: unknown) => void,
) => () => void;

/** Asks in one way. A packet that answers another question is somebody else's, and waited past. */
function ask(way: Way, server: Server, question: Question, ended: AbortSignal): Promise<Asked> {
  // Whoever sees neither the packet nor its port cannot answer in the server's place.
  const id = randomInt(65_536);
  return new Promise((resolve) => {
    const settle = (asked: Asked): void => {
      ended.removeEventListener("abort", onEnd);
      close();
      resolve(asked);
    };
    const onEnd = (): void => settle({ outcome: "timeout" });
    const take = (bytes: Buffer): void => {
      try {
        const reply = decodeReply(bytes, question, id);
        if (reply !== null) settle({ outcome: "answered", reply, bytes: bytes.length });
      } catch {
        // Nothing else says what is wrong with bytes of a stranger.
        settle({ outcome: "malformed" });
      }
    };
    const close = way(server, encodeQuestion(question, id), take, (error) =>
      settle({ outcome: OUTCOMES.get(errnoOf(error)) ?? "unreachable" }),
    );
    if (ended.aborted) onEnd();
    ended.addEventListener("abort", onEnd, { once: true });
  });
}

/** The kernel gives a connected socket packets of that server only, and its refusal. */
const askByUdp: Way = ({ address, port }, question, take, fail) => {
  const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
  let isClosed = false;
  socket.on("message", take);
  socket.on("error", fail);
  socket.on("connect", () => socket.send(question, (error) => void (error && fail(error))));
  socket.connect(port, address);
  return () => {
    if (!isClosed) socket.close();
    isClosed = true;
  };
};

/** Each message has its length before it (RFC 1035, 4.2.2), so none has more than 64 KiB. */
const askByTcp: Way = ({ address, port }, question, take, fail) => {
  const socket = connect({ port, host: address });
  let read = Buffer.alloc(0);
  socket.on("connect", () => {
    const head = Buffer.alloc(2);
    head.writeUInt16BE(question.length);
    socket.write(Buffer.concat([head, question]));
  });
  socket.on("data", (chunk) => {
    read = Buffer.concat([read, chunk]);
    if (read.length < 2 || read.length < 2 + read.readUInt16BE(0)) return;
    take(read.subarray(2, 2 + read.readUInt16BE(0)));
  });
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the server closed the connection")));
  return () => socket.destroy();
};
