import { buildHello, buildResult, buildStatement } from "@sonde/schemas/testing";
import {
  type AgentStatement,
  type AttestBody,
  type CallBody,
  encodeBody,
  type HelloBody,
  OWN_PROTOCOL,
  type ResultBody,
} from "@sonde/schemas/wire";
import type { EnrolledAgent, TestHub } from "../../hub/src/testing/start-hub.ts";

// An agent that a test plays over a real session: it says whatever the test wants.

export type PlayedAgent = {
  /** States something else about itself from now on. */
  change(statement: Partial<AgentStatement>): void;
  close(): void;
};

/** Connects an agent of the hub, by default its first, which says this of itself and answers each call and each order. */
export async function playAgent(
  hub: TestHub,
  hello: Partial<HelloBody> = {},
  statement: Partial<AgentStatement> = {},
  of: EnrolledAgent = hub.agent,
  answer: (probe: string) => Partial<ResultBody> = () => ({}),
): Promise<PlayedAgent> {
  const { socket, channel } = await hub.connect(undefined, 0, of);
  let stated = buildStatement(statement);
  socket.on("message", (frame: Buffer) => {
    const { header, body } = channel.open(frame);
    if (header.type === "call" && header.callId !== null) {
      const { callId } = header;
      const result = encodeBody(buildResult(callId, answer((body as CallBody).probe)));
      socket.send(channel.seal({ type: "result", callId, body: result }));
    }
    if (header.type === "attest") {
      const { nonce } = body as AttestBody;
      const said = encodeBody({ nonce, statement: stated });
      socket.send(channel.seal({ type: "attestation", body: said }));
    }
  });
  const body = encodeBody(buildHello({ protocol: OWN_PROTOCOL, ...hello }));
  socket.send(channel.seal({ type: "hello", body }));
  return {
    change(change) {
      stated = { ...stated, ...change };
      socket.send(channel.seal({ type: "host-changed", body: encodeBody({}) }));
    },
    close: () => socket.terminate(),
  };
}
