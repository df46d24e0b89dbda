import {
  type AgentDetail,
  type AuditPage,
  type CallProvenance,
  type CreatedToken,
  parseAgentDetail,
  parseAgentList,
  parseAuditPage,
  parseCallProvenance,
  parseCreatedToken,
  parseRegistryLogStatus,
  parseToolPinList,
  type RegistryLogStatus,
  type ToolPinList,
} from "@sonde/schemas/hub";
import { type JsonRequest, requestJson } from "./http-json.ts";

/** Client of the hub's REST API for one API key. Throws SondeErrors with the hub's code. */
export type HubClient = {
  listAgents(): Promise<AgentDetail[]>;
  assignPack(agent: string, pack: string, version: string): Promise<AgentDetail>;
  removePack(agent: string, pack: string): Promise<AgentDetail>;
  createToken(agentName: string): Promise<CreatedToken>;
  listPins(): Promise<ToolPinList>;
  approveTools(packDigest: string): Promise<void>;
  readRegistry(): Promise<RegistryLogStatus>;
  readCall(callId: string): Promise<CallProvenance>;
  readAudit(afterSeq: number, limit: number): Promise<AuditPage>;
};

export function createHubClient(url: string, apiKey: string): HubClient {
  const call = (method: JsonRequest["method"], path: string, body?: unknown) =>
    requestJson({
      method,
      target: { url },
      path: `/api/v1${path}`,
      bearer: apiKey,
      unavailable: "STARTING_FAILED",
      what: "hub",
      ...(body !== undefined && { body }),
    });
  return {
    listAgents: async () => parseAgentList(await call("GET", "/agents")).agents,
    assignPack: async (agent, pack, version) =>
      parseAgentDetail(await call("PUT", `/agents/${agent}/packs/${pack}`, { version })),
    removePack: async (agent, pack) =>
      parseAgentDetail(await call("DELETE", `/agents/${agent}/packs/${pack}`)),
    createToken: async (agentName) =>
      parseCreatedToken(await call("POST", "/enrolment-tokens", { agentName })),
    listPins: async () => parseToolPinList(await call("GET", "/tool-pins")),
    approveTools: async (packDigest) => {
      await call("POST", "/tool-pins", { packDigest });
    },
    readRegistry: async () => parseRegistryLogStatus(await call("GET", "/registry")),
    readCall: async (callId) => parseCallProvenance(await call("GET", `/calls/${callId}`)),
    readAudit: async (afterSeq, limit) =>
      parseAuditPage(await call("GET", `/audit?afterSeq=${afterSeq}&limit=${limit}`)),
  };
}
