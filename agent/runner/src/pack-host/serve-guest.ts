import type { Readable, Writable } from "node:stream";
import { type Guest, createGuest } from "@sonde/pack-sdk/runtime";
import { FrameReader, encodeFrame } from "@sonde/schemas/wire";
import type { PackHostReply, PackHostRequest } from "./pack-host-protocol.ts";

/**
 * Serves one guest over a pair of streams: `load` once, then one `run` at a time.
 * The runner on the other side is the parent of this process and trusted by it.
 */
export function serveGuest(input: Readable, output: Writable): void {
  let guest: Guest | undefined;
  const reply = (message: PackHostReply): void => void output.write(encodeFrame(message));
  const reader = new FrameReader((value) => void answer(value as PackHostRequest));
  input.on("data", (chunk: Buffer) => reader.push(chunk));

  async function answer(request: PackHostRequest): Promise<void> {
    if (request.op === "load") {
      guest = await createGuest({ code: request.code, memoryMb: request.memoryMb });
      return reply({ op: "ready" });
    }
    const { id, probe, input: json, timeoutMs } = request;
    reply({ op: "begun", id });
    const outcome = await guest?.run(probe, json, timeoutMs);
    if (outcome === undefined) throw new Error("expected a load request first");
    reply({ op: "done", id, answer: outcome });
  }
}
