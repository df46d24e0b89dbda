import { buildHello, buildResult, buildStatement } from "@sonde/schemas/testing";
import {
  type AgentStatement,
  type ApprovalsBody,
  type AttestBody,
  type CallBody,
  encodeBody,
  type DesiredStateBody,
  type HelloBody,
  type HubGrantsBody,
  OWN_PROTOCOL,
  type PackReport,
  type ResultBody,
} from "@sonde/schemas/wire";
import type { EnrolledAgent, TestHub } from "../../hub/src/testing/start-hub.ts";

// An agent that a test plays over a real session: it says whatever the test wants.

export type PlayedAgent = {
  /** States something else about itself from now on. */
  change(statement: Partial<AgentStatement>): void;
  close(): void;
};

/** What a played agent does of its own accord. */
export type PlayedActs = {
  /** Answers a call. */
  answer?: (probe: string, params: CallBody["params"]) => Partial<ResultBody>;
  /** Decides about a pack that it is ordered to have, when the promise is kept; says it once. */
  take?: (ordered: DesiredStateBody["packs"][number]) => Promise<PackReport>;
  /** What its host lets the hub grant. It takes over all that the hub then grants, and says so. */
  mayGrant?: ApprovalsBody["hubMayGrant"];
};

/** Connects an agent of the hub, by default its first, which says this of itself and answers each call and each order. */
export async function playAgent(
  hub: TestHub,
  hello: Partial<HelloBody> = {},
  statement: Partial<AgentStatement> = {},
  of: EnrolledAgent = hub.agent,
  { answer = () => ({}), take, mayGrant }: PlayedActs = {},
): Promise<PlayedAgent> {
  const { socket, channel } = await hub.connect(undefined, 0, of);
  let stated = buildStatement(statement);
  const reports = new Map((hello.packs ?? []).map((pack) => [pack.name, pack]));
  const taking = new Set<string>();
  const takeAll = async ({ packs }: DesiredStateBody): Promise<void> => {
    for (const ordered of packs) {
      if (take === undefined || taking.has(ordered.digest)) continue;
      taking.add(ordered.digest);
      reports.set(ordered.name, await take(ordered));
      const { auditHead, registryHead } = buildHello();
      const report = { packs: [...reports.values()], auditHead, registryHead };
      socket.send(channel.seal({ type: "pack-report", body: encodeBody(report) }));
    }
  };
  const stateApprovals = ({ revision, grants }: HubGrantsBody): void => {
    if (mayGrant === undefined) return;
    const packs = grants.map(({ pack, digest, items }) => ({
      ...{ pack, digest, byHub: items, byHost: [], withheld: [], refused: false },
    }));
    const approvals = encodeBody({ hubMayGrant: mayGrant, revision, packs });
    socket.send(channel.seal({ type: "approvals", body: approvals }));
  };
  socket.on("message", (frame: Buffer) => {
    const { header, body } = channel.open(frame);
    if (header.type === "call" && header.callId !== null) {
      const { callId } = header;
      const { probe, params } = body as CallBody;
      const result = encodeBody(buildResult(callId, answer(probe, params)));
      socket.send(channel.seal({ type: "result", callId, body: result }));
    }
    if (header.type === "hub-grants") stateApprovals(body as HubGrantsBody);
    if (header.type === "desired-state") void takeAll(body as DesiredStateBody);
    if (header.type === "attest") {
      const { nonce } = body as AttestBody;
      const said = encodeBody({ nonce, statement: stated });
      socket.send(channel.seal({ type: "attestation", body: said }));
    }
  });
  const body = encodeBody(buildHello({ protocol: OWN_PROTOCOL, ...hello }));
  socket.send(channel.seal({ type: "hello", body }));
  stateApprovals({ revision: 0, grants: [] });
  return {
    change(change) {
      stated = { ...stated, ...change };
      socket.send(channel.seal({ type: "host-changed", body: encodeBody({}) }));
    },
    close: () => socket.terminate(),
  };
}
