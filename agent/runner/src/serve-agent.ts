import type { Socket } from "node:net";
import { toSondeError } from "@sonde/schemas/errors";
import {
  type Failure,
  type FilledRead,
  type ReadOutcome,
  type RunnerHello,
  type RunnerReplyHead,
  type RunnerRequest,
  parseRunnerRequest,
} from "@sonde/schemas/reads";
import { type ReadLimits, performReads } from "./powers/powers.ts";
import { FrameReader, encodeBody, encodeStreamFrame } from "@sonde/schemas/wire";
import type { PackQueues } from "./pack-host-pool/pack-queues.ts";

export type Serving = {
  hello: RunnerHello;
  queues: PackQueues;
  limits: ReadLimits;
  /** @throws SondeError READ_NOT_GRANTED for reads that no grant of this host covers */
  requireGranted: (reads: readonly FilledRead[]) => void;
};

type Reply = { head: RunnerHello | RunnerReplyHead; body?: Uint8Array };
type ReadRequest = Extract<RunnerRequest, { op: "read" }>;

/** Most read requests that run at once. A further one is refused with AGENT_BUSY. */
const MAX_READING = 64;

/**
 * Serves the agent on one connection until that ends. The agent decides which calls are answered;
 * what may be read at all, the grants of root decide here once more. A broken frame ends the
 * connection.
 */
export function serveAgent(
  socket: Socket,
  { hello, queues, limits, requireGranted }: Serving,
): void {
  const reading = new Map<number, AbortController>();
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
  const read = async ({ id, reads, timeoutMs }: ReadRequest): Promise<void> => {
    requireGranted(reads);
    const ending = new AbortController();
    reading.set(id, ending);
    try {
      const { signal } = ending;
      const { outcomes, traces } = await performReads(reads, timeoutMs, { ...limits, signal });
      send({ head: { id, op: "read", traces }, body: outcomes });
    } finally {
      reading.delete(id);
    }
  };
  const perform = async (request: RunnerRequest, input: Buffer): Promise<void> => {
    const { id } = request;
    switch (request.op) {
      case "read":
        if (reading.size >= MAX_READING) return send(refuseReads(request, BUSY));
        await read(request);
        return;
      case "cancel":
        return reading.get(id)?.abort();
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
    case "cancel":
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
