import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { toSondeError } from "@sonde/schemas/errors";
import { buildCsr } from "../../agent/daemon/src/edge/enrol/build-csr.ts";
import { parseToken } from "../../agent/daemon/src/edge/enrol/parse-token.ts";
import { connectPinned, type HubAddress } from "../../agent/daemon/src/edge/enrol/pin-hub.ts";
import { requestIdentity } from "../../agent/daemon/src/edge/enrol/request-identity.ts";
import type { TestHub } from "../../hub/src/testing/start-hub.ts";

/** A token for one agent name, and where it enrols. */
export type Ticket = {
  agentName: string;
  token: ReturnType<typeof parseToken>;
  address: HubAddress;
};

/** @param key of the operator who makes it; by default the hub's first */
export async function makeTicket(hub: TestHub, agentName: string, key?: string): Promise<Ticket> {
  const { answer } = await hub.ask("POST", "/enrolment-tokens", { agentName }, key);
  return readTicket(agentName, answer);
}

/** @param answer of the route that makes tokens */
export function readTicket(agentName: string, answer: Record<string, unknown>): Ticket {
  const { hostname: host, port } = new URL(`https://${String(answer["enrolAddress"])}`);
  const token = parseToken(String(answer["token"]));
  return { agentName, token, address: { host, port: Number(port) } };
}

/**
 * Enrols by the agent's own code.
 *
 * @returns `enrolled`, or the code of the refusal
 */
export async function enrolAt(
  hub: TestHub,
  { address, token, agentName }: Ticket,
  change: { prepare?: (socket: TLSSocket) => void; signer?: KeyObject } = {},
): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const csr = await buildCsr(privateKey, publicKey);
  const socket = await connectPinned(address, hub.ca.toString());
  try {
    change.prepare?.(socket);
    await requestIdentity(socket, { token, agentName, csr, key: change.signer ?? privateKey });
    return "enrolled";
  } catch (thrown) {
    return toSondeError(thrown).code;
  } finally {
    socket.destroy();
  }
}
