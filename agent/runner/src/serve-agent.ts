import type { Socket } from "node:net";
import { toSondeError } from "@sonde/schemas/errors";
import {
  type Failure,
  type ReadOutcome,
  type RunnerHello,
  type RunnerReplyHead,
  type RunnerRequest,
  parseRunnerRequest,
} from "@sonde/schemas/reads";
import { type ReadLimits, performReads } from "./powers/powers.ts";
import { FrameReader, encodeBody, encodeStreamFrame } from "@sonde/schemas/wire";
import type { PackQueues } from "./pack-host-pool/pack-queues.ts";

export type Serving = { hello: RunnerHello; queues: PackQueues; limits: ReadLimits };

type Reply = { head: RunnerHello | RunnerReplyHead; body?: Uint8Array };
type ReadRequest = Extract<RunnerRequest, { op: "read" }>;

/** Most read requests that run at once. A further one is refused with AGENT_BUSY. */
const MAX_READING = 64;

/**
 * Serves the agent on one connection until that ends. The agent is trusted. A broken
 * frame ends the connection.
 */
export function serveAgent(socket: Socket, { hello, queues, limits }: Serving): void {
  let reading = 0;
  const send = ({ head, body }: Reply): void => {
    if (socket.writable) socket.write(encodeStreamFrame(head, body));
  };
  const answer = async (request: RunnerRequest, input: Buffer): Promise<void> => {
    try {
      await perform(request, input);
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      const refusal = refuse(request, { code, message });
      if (refusal === null) socket.destroy();
      else send(refusal);
    }
  };
  const perform = async (request: RunnerRequest, input: Buffer): Promise<void> => {
    const { id } = request;
    switch (request.op) {
      case "read":
        if (reading >= MAX_READING) return send(refuseReads(request, BUSY));
        reading++;
        try {
          const { reads, timeoutMs } = request;
          const { outcomes, traces } = await performReads(reads, timeoutMs, limits);
          send({ head: { id, op: "read", traces }, body: outcomes });
        } finally {
          reading--;
        }
        return;
      case "run": {
        const started = performance.now();
        const outcome = await queues.run({ ...request, input });
        const ms = performance.now() - started;
        if (outcome.ok) return send({ head: { id, op: "run", ms }, body: outcome.result });
        return send({ head: { id, op: "run", failure: outcome.failure, ms } });
      }
      case "drop":
        queues.drop(request.packDigest);
        return send({ head: { id, op: "drop" } });
    }
  };
  const reader = new FrameReader(({ head, body }) => {
    void answer(parseRunnerRequest(head), body);
  });
  socket.on("data", (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined);
    }
  });
  send({ head: hello });
}

const BUSY: Failure = { code: "AGENT_BUSY", message: "too many reads at once on this runner" };

function refuse(request: RunnerRequest, failure: Failure): Reply | null {
  switch (request.op) {
    case "read":
      return refuseReads(request, failure);
    case "run":
      return { head: { id: request.id, op: "run", failure, ms: 0 } };
    case "drop":
      return null;
  }
}

function refuseReads({ id, reads }: ReadRequest, failure: Failure): Reply {
  const outcomes = Object.fromEntries(
    reads.map(({ name }): [string, ReadOutcome] => [name, { ok: false, failure }]),
  );
  return { head: { id, op: "read", traces: [] }, body: encodeBody(outcomes) };
}
