import { type AuditPage, parseAuditPage } from "@sonde/schemas/audit";
import {
  type AgentAttestation,
  type AgentDetail,
  type ApiKeySummary,
  type CallProvenance,
  type ChangeTags,
  type CreateApiKey,
  type CreatedApiKey,
  type CreatedToken,
  type DriftAction,
  type DriftPolicy,
  type DriftSelector,
  parseAgentAttestation,
  parseAgentDetail,
  parseAgentList,
  parseApiKeyList,
  parseCallProvenance,
  parseCreatedApiKey,
  parseCreatedToken,
  parseDriftPolicy,
  parseRegistryLogStatus,
  parseRevokedApiKey,
  parseRotatedApiKey,
  parseSigningKeyList,
  parseToolPinList,
  type RegistryLogStatus,
  type RevokedApiKey,
  type RotatedApiKey,
  type SigningKeyList,
  type ToolPinList,
} from "@sonde/schemas/hub";
import {
  type NamedPolicy,
  type Policy,
  type PolicyHolder,
  type PolicyList,
  type PolicyRef,
  type PolicyTest,
  parseNamedPolicy,
  parsePolicyHolder,
  parsePolicyList,
  parsePolicyTest,
  type TestPolicy,
} from "@sonde/schemas/policy";
import type { KeyUse } from "@sonde/schemas/wire";
import { type JsonRequest, requestJson } from "./http-json.ts";
import { requireListener } from "./require-listener.ts";
import { findServiceUid } from "./start/system-users.ts";

/** Client of the hub's REST API for one API key. Throws SondeErrors with the hub's code. */
export type HubClient = {
  listAgents(): Promise<AgentDetail[]>;
  readAgent(agent: string): Promise<AgentDetail>;
  /** Revokes an agent for good and returns those that are left. */
  revokeAgent(agent: string): Promise<AgentDetail[]>;
  changeTags(agent: string, change: ChangeTags): Promise<AgentDetail>;
  /** Lets no probe of the agent run until it is released. */
  quarantineAgent(agent: string, reason: string): Promise<AgentDetail>;
  releaseAgent(agent: string): Promise<AgentDetail>;
  assignPack(agent: string, pack: string, version: string): Promise<AgentDetail>;
  removePack(agent: string, pack: string): Promise<AgentDetail>;
  /** @param approvesFirst whether the first statement of the agent counts as approved; by default yes */
  createToken(agentName: string, tags?: string[], approvesFirst?: boolean): Promise<CreatedToken>;
  readAttestation(agent: string): Promise<AgentAttestation>;
  /** Approves exactly that statement. */
  acceptDrift(agent: string, statementSha256: string): Promise<AgentAttestation>;
  readDriftPolicy(): Promise<DriftPolicy>;
  setDriftRule(on: DriftSelector, action: DriftAction): Promise<DriftPolicy>;
  removeDriftRule(on: DriftSelector): Promise<DriftPolicy>;
  listPins(): Promise<ToolPinList>;
  approveTools(packDigest: string): Promise<void>;
  listKeys(): Promise<ApiKeySummary[]>;
  createKey(key: CreateApiKey): Promise<CreatedApiKey>;
  rotateKey(id: string, overlapMinutes: number): Promise<RotatedApiKey>;
  revokeKey(id: string): Promise<RevokedApiKey>;
  listPolicies(): Promise<PolicyList>;
  readPolicy(name: string): Promise<NamedPolicy>;
  setPolicy(name: string, policy: Policy): Promise<NamedPolicy>;
  /** Returns those that are left. */
  removePolicy(name: string): Promise<PolicyList>;
  holdPolicy(holder: string, policy: PolicyRef): Promise<PolicyHolder>;
  releasePolicy(holder: string): Promise<PolicyList>;
  testPolicy(asked: TestPolicy): Promise<PolicyTest>;
  listSigningKeys(): Promise<SigningKeyList>;
  rotateSigningKey(key: KeyUse, overlapDays: number): Promise<SigningKeyList>;
  readRegistry(): Promise<RegistryLogStatus>;
  readCall(callId: string): Promise<CallProvenance>;
  readAudit(afterSeq: number, limit: number): Promise<AuditPage>;
};

/** The hub of this machine. Its key is sent to the hub's own user only. */
export function createHubClient(url: string, apiKey: string): HubClient {
  const call = async (method: JsonRequest["method"], path: string, body?: unknown) => {
    requireListener(url, findServiceUid("hub"));
    return requestJson({
      method,
      target: { url },
      path: `/api/v1${path}`,
      bearer: apiKey,
      unavailable: "STARTING_FAILED",
      what: "hub",
      ...(body !== undefined && { body }),
    });
  };
  return {
    listAgents: async () => parseAgentList(await call("GET", "/agents")).agents,
    readAgent: async (agent) => parseAgentDetail(await call("GET", pathOf(agent))),
    revokeAgent: async (agent) => parseAgentList(await call("DELETE", pathOf(agent))).agents,
    changeTags: async (agent, change) =>
      parseAgentDetail(await call("POST", `${pathOf(agent)}/tags`, change)),
    quarantineAgent: async (agent, reason) =>
      parseAgentDetail(await call("POST", `${pathOf(agent)}/quarantine`, { reason })),
    releaseAgent: async (agent) => parseAgentDetail(await call("POST", `${pathOf(agent)}/release`)),
    assignPack: async (agent, pack, version) =>
      parseAgentDetail(await call("PUT", `/agents/${agent}/packs/${pack}`, { version })),
    removePack: async (agent, pack) =>
      parseAgentDetail(await call("DELETE", `/agents/${agent}/packs/${pack}`)),
    createToken: async (agentName, tags = [], approvesFirst = true) =>
      parseCreatedToken(
        await call("POST", "/enrolment-tokens", { agentName, tags, approvesFirst }),
      ),
    readAttestation: async (agent) =>
      parseAgentAttestation(await call("GET", `${pathOf(agent)}/attestation`)),
    acceptDrift: async (agent, statementSha256) =>
      parseAgentAttestation(
        await call("POST", `${pathOf(agent)}/accept-drift`, { statementSha256 }),
      ),
    readDriftPolicy: async () => parseDriftPolicy(await call("GET", "/drift-policy")),
    setDriftRule: async (on, action) =>
      parseDriftPolicy(await call("PUT", `/drift-policy/${encodeURIComponent(on)}`, { action })),
    removeDriftRule: async (on) =>
      parseDriftPolicy(await call("DELETE", `/drift-policy/${encodeURIComponent(on)}`)),
    listPins: async () => parseToolPinList(await call("GET", "/tool-pins")),
    approveTools: async (packDigest) => {
      await call("POST", "/tool-pins", { packDigest });
    },
    listKeys: async () => parseApiKeyList(await call("GET", "/api-keys")).keys,
    createKey: async (key) => parseCreatedApiKey(await call("POST", "/api-keys", key)),
    rotateKey: async (id, overlapMinutes) =>
      parseRotatedApiKey(await call("POST", `/api-keys/${id}/rotate`, { overlapMinutes })),
    revokeKey: async (id) => parseRevokedApiKey(await call("DELETE", `/api-keys/${id}`)),
    listPolicies: async () => parsePolicyList(await call("GET", "/policies")),
    readPolicy: async (name) => parseNamedPolicy(await call("GET", policyPath(name))),
    setPolicy: async (name, policy) =>
      parseNamedPolicy(await call("PUT", policyPath(name), { policy })),
    removePolicy: async (name) => parsePolicyList(await call("DELETE", policyPath(name))),
    holdPolicy: async (holder, policy) =>
      parsePolicyHolder(await call("PUT", holderPath(holder), { policy })),
    releasePolicy: async (holder) => parsePolicyList(await call("DELETE", holderPath(holder))),
    testPolicy: async (asked) => parsePolicyTest(await call("POST", "/policy/test", asked)),
    listSigningKeys: async () => parseSigningKeyList(await call("GET", "/signing-keys")),
    rotateSigningKey: async (key, overlapDays) =>
      parseSigningKeyList(await call("POST", "/signing-keys/rotations", { key, overlapDays })),
    readRegistry: async () => parseRegistryLogStatus(await call("GET", "/registry")),
    readCall: async (callId) => parseCallProvenance(await call("GET", `/calls/${callId}`)),
    readAudit: async (afterSeq, limit) =>
      parseAuditPage(await call("GET", `/audit?afterSeq=${afterSeq}&limit=${limit}`)),
  };
}

const policyPath = (name: string): string => `/policies/${encodeURIComponent(name)}`;
const holderPath = (holder: string): string => `/policy-holders/${encodeURIComponent(holder)}`;

function pathOf(agent: string): string {
  return `/agents/${encodeURIComponent(agent)}`;
}
