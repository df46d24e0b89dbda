import type { Readable, Writable } from "node:stream";
import { type Guest, createGuest } from "@sonde/pack-sdk/runtime";
import { type Frame, FrameReader, encodeStreamFrame } from "@sonde/schemas/wire";
import {
  MAX_GUEST_RESULT_BYTES,
  type PackHostReply,
  type PackHostRequest,
} from "./pack-host-protocol.ts";

/**
 * Serves one guest over a pair of streams: `load` once, then one `run` at a time. The
 * runner at their other end is trusted.
 */
export function serveGuest(input: Readable, output: Writable): void {
  let guest: Guest | undefined;
  const reply = (head: PackHostReply, body?: Uint8Array): void =>
    void output.write(encodeStreamFrame(head, body));
  const reader = new FrameReader((frame) => void answer(frame));
  input.on("data", (chunk: Buffer) => reader.push(chunk));

  async function answer({ head, body }: Frame): Promise<void> {
    const request = head as PackHostRequest;
    const text = body.toString("utf8");
    if (request.op === "load") {
      guest = await createGuest({ code: text, memoryMb: request.memoryMb });
      return reply({ op: "ready", pid: process.pid });
    }
    const { id, probeName, timeoutMs } = request;
    const outcome = await guest?.run(probeName, text, timeoutMs);
    if (outcome === undefined) throw new Error("expected a load request first");
    if (!outcome.ok) return reply({ op: "done", id, failure: outcome.failure });
    const result = Buffer.from(outcome.result, "utf8");
    if (result.length <= MAX_GUEST_RESULT_BYTES) return reply({ op: "done", id }, result);
    const message = `expected a result of at most ${MAX_GUEST_RESULT_BYTES} bytes`;
    reply({ op: "done", id, failure: { code: "PACK_FAILED", message } });
  }
}
