import {
  type AgentPacks,
  type AgentStatus,
  type PackExplanation,
  parseAgentPacks,
  parseAgentStatus,
  parsePackExplanation,
} from "@sonde/schemas/agent";
import { type JsonRequest, requestJson } from "./http-json.ts";

/** Client of the agent's local API over its unix socket. The socket's mode decides who may ask. */
export type AgentClient = {
  status(): Promise<AgentStatus>;
  packs(): Promise<AgentPacks["packs"]>;
  explain(pack: string): Promise<PackExplanation>;
  /** Tells the agent to read its grant files again. */
  reload(): Promise<AgentPacks["packs"]>;
  /** Tells the agent to forget the later state of its hub that it saw. */
  acceptHub(): Promise<AgentStatus>;
};

export function createAgentClient(socket: string): AgentClient {
  const call = (method: JsonRequest["method"], path: string) =>
    requestJson({
      method,
      target: { socket },
      path,
      unavailable: "STARTING_FAILED",
      what: "agent",
    });
  return {
    status: async () => parseAgentStatus(await call("GET", "/status")),
    packs: async () => parseAgentPacks(await call("GET", "/packs")).packs,
    explain: async (pack) => parsePackExplanation(await call("GET", `/packs/${pack}`)),
    acceptHub: async () => parseAgentStatus(await call("POST", "/accept-hub")),
    reload: async () => parseAgentPacks(await call("POST", "/reload")).packs,
  };
}
