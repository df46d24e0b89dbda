import type { Socket } from "node:net";
import { toSondeError } from "@sonde/schemas/errors";
import {
  type Failure,
  type ReadOutcome,
  type RunnerHello,
  type RunnerReply,
  type RunnerRequest,
  parseRunnerRequest,
} from "@sonde/schemas/reads";
import { type ReadLimits, performReads } from "./powers/powers.ts";
import { FrameReader, encodeFrame } from "@sonde/schemas/wire";
import type { PackLines } from "./pack-hosts/pack-lines.ts";

export type Serving = { hello: RunnerHello; lines: PackLines; limits: ReadLimits };

type ReadRequest = Extract<RunnerRequest, { op: "read" }>;

/** Reads side by side; what comes on top waits at the agent, not here. */
const MAX_READING = 64;

/** Serves the agent on one connection until it ends. The agent is trusted; a broken frame ends it. */
export function serveAgent(socket: Socket, { hello, lines, limits }: Serving): void {
  let reading = 0;
  const send = (message: RunnerHello | RunnerReply): void => {
    if (socket.writable) socket.write(encodeFrame(message));
  };
  const answer = async (request: RunnerRequest): Promise<void> => {
    try {
      await perform(request);
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      const refusal = refuse(request, { code, message });
      if (refusal === null) socket.destroy();
      else send(refusal);
    }
  };
  const perform = async (request: RunnerRequest): Promise<void> => {
    switch (request.op) {
      case "read":
        if (reading >= MAX_READING) return send(refuseReads(request, BUSY));
        reading++;
        try {
          const done = await performReads(request.reads, request.timeoutMs, limits);
          send({ id: request.id, op: "read", ...done });
        } finally {
          reading--;
        }
        return;
      case "run": {
        const started = performance.now();
        const outcome = await lines.run(request);
        const ms = performance.now() - started;
        const { id } = request;
        if (outcome.ok) return send({ id, op: "run", result: outcome.result, ms });
        return send({ id, op: "run", failure: outcome.failure, ms });
      }
      case "drop":
        lines.drop(request.packDigest);
        return send({ id: request.id, op: "drop" });
    }
  };
  const reader = new FrameReader((value) => void answer(parseRunnerRequest(value)));
  socket.on("data", (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined);
    }
  });
  send(hello);
}

const BUSY: Failure = { code: "AGENT_BUSY", message: "too many reads at once on this runner" };

function refuse(request: RunnerRequest, failure: Failure): RunnerReply | null {
  switch (request.op) {
    case "read":
      return refuseReads(request, failure);
    case "run":
      return { id: request.id, op: "run", failure, ms: 0 };
    case "drop":
      return null;
  }
}

function refuseReads(request: ReadRequest, failure: Failure): RunnerReply {
  const reads = Object.fromEntries(
    request.reads.map(({ name }): [string, ReadOutcome] => [name, { ok: false, failure }]),
  );
  return { id: request.id, op: "read", reads, traces: [] };
}
