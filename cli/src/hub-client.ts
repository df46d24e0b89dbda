import type { Readable } from "node:stream";
import {
  type ApprovalOutcome,
  type ApprovalRequest,
  type ApprovePack,
  type Inbox,
  parseApprovalOutcome,
  parseApprovalRequest,
  parseInbox,
} from "@sonde/schemas/approvals";
import {
  type AuditAttestation,
  type ChainPage,
  parseAuditAttestation,
  parseChainPage,
} from "@sonde/schemas/audit";
import {
  type AuditHold,
  type AuditHoldList,
  type CreateAuditHold,
  parseAuditHold,
  parseAuditHoldList,
} from "@sonde/schemas/audit-hold";
import {
  type AuditFilters,
  type AuditSearchPage,
  type AuditSearchQuery,
  parseAuditSearchPage,
} from "@sonde/schemas/audit-search";
import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import { type Evidence, parseEvidence } from "@sonde/schemas/evidence";
import {
  type AgentAttestation,
  type AgentDetail,
  type ApiKeySummary,
  type AuditSinkList,
  type OutsideWitnessList,
  type ForgottenLog,
  type CalledTool,
  type CallProvenance,
  type CallSummary,
  type CallTool,
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
  parseAuditSinkList,
  parseOutsideWitnessList,
  parseForgottenLog,
  parseCalledTool,
  parseCallList,
  parseCallProvenance,
  parseCreatedApiKey,
  parseCreatedToken,
  parseDriftPolicy,
  parseRegistryLogStatus,
  parseRevokedApiKey,
  parseRollOutState,
  parseRotatedApiKey,
  parseSigningKeyList,
  parseToolList,
  parseToolPinList,
  type RegistryLogStatus,
  type RevokedApiKey,
  type RollOut,
  type RollOutState,
  type RotatedApiKey,
  type SigningKeyList,
  type ToolPinList,
  type ToolSummary,
} from "@sonde/schemas/hub";
import {
  type ChangePerson,
  type CreatedInvitation,
  type InvitationList,
  type PersonRole,
  type PersonSummary,
  parseCreatedInvitation,
  parseInvitationList,
  parsePersonList,
  parsePersonSummary,
  parseSessionList,
  type SessionSummary,
} from "@sonde/schemas/people";
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
import {
  type PackSummary,
  type PackVersions,
  parsePackList,
  parsePackVersions,
} from "@sonde/schemas/registry";
import type { KeyUse } from "@sonde/schemas/wire";
import { IPV4_LOOPBACK } from "./find-listeners.ts";
import { type JsonRequest, openStream, requestJson } from "./http-json.ts";
import { requireListener } from "./require-listener.ts";
import { findServiceUid } from "./start/system-users.ts";

/** Client of a hub's REST API for one API key. Throws SondeErrors with the hub's code. */
export type HubClient = {
  /** @throws SondeError UNAUTHENTICATED for a key that the hub refuses */
  testKey(): Promise<void>;
  listTools(): Promise<ToolSummary[]>;
  callTool(tool: string, wanted: CallTool): Promise<CalledTool>;
  /** The newest calls of all agents or of one. */
  listCalls(agent: string | undefined, limit: number): Promise<CallSummary[]>;
  /** Packs of the hub's registry, by its own word; without words those that come first by name. */
  searchPacks(words: string): Promise<PackSummary[]>;
  readPack(pack: string): Promise<PackVersions>;
  /** One step of a roll-out. */
  rollOut(wanted: RollOut): Promise<RollOutState>;
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
  /** What a pack asks for on an agent, and who granted what of it. */
  readApproval(agent: string, pack: string): Promise<ApprovalRequest>;
  /** Grants, of exactly what was shown, what the host lets the hub grant. */
  approvePack(agent: string, pack: string, approval: ApprovePack): Promise<ApprovalOutcome>;
  /** Takes back what was granted at the hub. */
  revokeApproval(agent: string, pack: string): Promise<ApprovalRequest>;
  readInbox(): Promise<Inbox>;
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
  listPeople(): Promise<PersonSummary[]>;
  changePerson(id: string, change: ChangePerson): Promise<PersonSummary>;
  /** Deletes the account and returns those that are left. */
  removePerson(id: string): Promise<PersonSummary[]>;
  listSessions(personId: string): Promise<SessionSummary[]>;
  /** Ends all sessions of a person. */
  endSessions(personId: string): Promise<void>;
  /** Links that nobody used yet. */
  listInvitations(): Promise<InvitationList>;
  createInvitation(role: PersonRole): Promise<CreatedInvitation>;
  removeInvitation(id: string): Promise<InvitationList>;
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
  /** Has the hub sign its audit log as it is now. */
  signAudit(): Promise<AuditAttestation>;
  listSinks(): Promise<AuditSinkList>;
  listAuditHolds(): Promise<AuditHoldList>;
  addAuditHold(hold: CreateAuditHold): Promise<AuditHold>;
  /** Returns those that are left. */
  removeAuditHold(id: string): Promise<AuditHoldList>;
  listWitnesses(): Promise<OutsideWitnessList>;
  /** Has the hub, as a witness, forget what it cosigned of a log. */
  forgetLog(origin: string): Promise<ForgottenLog>;
  readCall(callId: string): Promise<CallProvenance>;
  readEvidence(callId: string): Promise<Evidence>;
  readAudit(afterSeq: number, limit: number): Promise<ChainPage>;
  searchAudit(query: AuditSearchQuery): Promise<AuditSearchPage>;
  /** Entries that fit, as JSON lines. */
  exportAudit(filters: AuditFilters): Promise<Readable>;
  /** Entries that fit and are written after that one, as server-sent events. */
  followAudit(filters: AuditFilters, after: number): Promise<Readable>;
};

/** The hub of this machine. Its key is sent to the hub's own user only. */
export function createHubClient(url: string, apiKey: string): HubClient {
  return createClient(
    { url },
    () => Promise.resolve(apiKey),
    "STARTING_FAILED",
    () => {
      requireListener(url, findServiceUid("hub"));
    },
  );
}

/**
 * A hub elsewhere, whose certificate says who it is, or one of this machine at its address.
 *
 * @param place.bearer gives the secret of each request
 */
export function createRemoteHubClient(place: {
  hub: string;
  ca?: string | undefined;
  bearer: () => Promise<string>;
}): HubClient {
  const { hub, ca, bearer } = place;
  return createClient(
    { url: hub, ...(ca !== undefined && { ca }) },
    bearer,
    new URL(hub).protocol === "http:" ? "STARTING_FAILED" : "HUB_UNREACHABLE",
    () => requireSafeHub(hub),
  );
}

/** Without TLS, secrets are sent to the hub's own user of this machine only. */
export function requireSafeHub(hub: string): void {
  if (new URL(hub).protocol === "http:") requireListener(hub, findServiceUid("hub"));
}

/**
 * Parses a hub's address: `https://HOST[:PORT]`, or `http://127.0.0.1:PORT`, because a key is sent
 * there.
 *
 * @throws SondeError BAD_REQUEST
 */
export function parseHubUrl(text: string): string {
  const url = URL.parse(text);
  const isSafe =
    url?.protocol === "https:" || (url?.protocol === "http:" && url.hostname === IPV4_LOOPBACK);
  const isBare =
    url?.username === "" && url.password === "" && url.pathname === "/" && url.search === "";
  if (url !== null && isSafe && isBare) return url.origin;
  throw new SondeError(
    "BAD_REQUEST",
    `expected a hub as https://HOST:PORT, or http://${IPV4_LOOPBACK}:PORT, because the key is sent there; got ${JSON.stringify(text.slice(0, 200))}`,
  );
}

/** @param beforeEach called before each request, which throws when the key must not be sent */
function createClient(
  target: { url: string; ca?: string },
  bearer: () => Promise<string>,
  unavailable: ErrorCode,
  beforeEach: () => void = () => undefined,
): HubClient {
  const call = async (method: JsonRequest["method"], path: string, body?: unknown) => {
    beforeEach();
    return await requestJson({
      ...{
        method,
        target,
        path: `/api/v1${path}`,
        bearer: await bearer(),
        unavailable,
        what: "hub",
      },
      ...(body !== undefined && { body }),
    });
  };
  const stream = async (accept: string, path: string, headers: Record<string, string> = {}) => {
    beforeEach();
    return await openStream({
      ...{ target, path: `/api/v1${path}`, bearer: await bearer(), unavailable, what: "hub" },
      ...{ accept, headers },
    });
  };
  /** Reads a list whole, page by page. */
  async function readPages<Page extends { next?: string }>(
    path: string,
    read: (answer: unknown) => Page,
  ): Promise<Page[]> {
    const pages = [read(await call("GET", path))];
    for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next) {
      pages.push(read(await call("GET", `${path}?cursor=${next}`)));
    }
    return pages;
  }
  return {
    testKey: async () => void (await call("GET", "/agents?limit=1")),
    listAgents: async () =>
      (await readPages("/agents", parseAgentList)).flatMap((page) => page.agents),
    listTools: async () => (await readPages("/tools", parseToolList)).flatMap((page) => page.tools),
    callTool: async (tool, wanted) =>
      parseCalledTool(await call("POST", `/tools/${encodeURIComponent(tool)}/call`, wanted)),
    listCalls: async (agent, limit) => {
      const of = agent === undefined ? "" : `&agent=${encodeURIComponent(agent)}`;
      return parseCallList(await call("GET", `/calls?limit=${limit}${of}`)).calls;
    },
    searchPacks: async (words) => {
      const asked = new URLSearchParams({ limit: "100", ...(words !== "" && { q: words }) });
      return parsePackList(await call("GET", `/registry/packs?${asked.toString()}`)).packs;
    },
    readPack: async (pack) => parsePackVersions(await call("GET", `/registry/packs/${pack}`)),
    rollOut: async (wanted) => parseRollOutState(await call("POST", "/roll-outs", wanted)),
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
    readApproval: async (agent, pack) =>
      parseApprovalRequest(await call("GET", `/agents/${agent}/packs/${pack}/approval`)),
    approvePack: async (agent, pack, approval) =>
      parseApprovalOutcome(await call("POST", `/agents/${agent}/packs/${pack}/approve`, approval)),
    revokeApproval: async (agent, pack) =>
      parseApprovalRequest(await call("POST", `/agents/${agent}/packs/${pack}/revoke-approval`)),
    readInbox: async () => parseInbox(await call("GET", "/inbox")),
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
    readDriftPolicy: async () => ({
      rules: (await readPages("/drift-policy", parseDriftPolicy)).flatMap((page) => page.rules),
    }),
    setDriftRule: async (on, action) =>
      parseDriftPolicy(await call("PUT", `/drift-policy/${encodeURIComponent(on)}`, { action })),
    removeDriftRule: async (on) =>
      parseDriftPolicy(await call("DELETE", `/drift-policy/${encodeURIComponent(on)}`)),
    listPins: async () => {
      const pages = await readPages("/tool-pins", parseToolPinList);
      return {
        pins: pages.flatMap(({ pins }) => pins),
        held: pages.flatMap(({ held }) => held),
      };
    },
    approveTools: async (packDigest) => {
      await call("POST", "/tool-pins", { packDigest });
    },
    listKeys: async () =>
      (await readPages("/api-keys", parseApiKeyList)).flatMap((page) => page.keys),
    createKey: async (key) => parseCreatedApiKey(await call("POST", "/api-keys", key)),
    rotateKey: async (id, overlapMinutes) =>
      parseRotatedApiKey(await call("POST", `/api-keys/${id}/rotate`, { overlapMinutes })),
    revokeKey: async (id) => parseRevokedApiKey(await call("DELETE", `/api-keys/${id}`)),
    listPeople: async () => parsePersonList(await call("GET", "/people")).people,
    changePerson: async (id, change) =>
      parsePersonSummary(await call("PATCH", `/people/${id}`, change)),
    removePerson: async (id) => parsePersonList(await call("DELETE", `/people/${id}`)).people,
    listSessions: async (id) =>
      parseSessionList(await call("GET", `/people/${id}/sessions`)).sessions,
    endSessions: async (id) => void (await call("DELETE", `/people/${id}/sessions`)),
    listInvitations: async () => parseInvitationList(await call("GET", "/people/invitations")),
    createInvitation: async (role) =>
      parseCreatedInvitation(await call("POST", "/people/invitations", { role })),
    removeInvitation: async (id) =>
      parseInvitationList(await call("DELETE", `/people/invitations/${id}`)),
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
    signAudit: async () => parseAuditAttestation(await call("POST", "/audit/checkpoints")),
    listWitnesses: async () => parseOutsideWitnessList(await call("GET", "/audit/witnesses")),
    forgetLog: async (origin) =>
      parseForgottenLog(await call("POST", "/audit/forgotten-logs", { origin })),
    listSinks: async () => parseAuditSinkList(await call("GET", "/audit/sinks")),
    listAuditHolds: async () => parseAuditHoldList(await call("GET", "/audit/holds")),
    addAuditHold: async (hold) => parseAuditHold(await call("POST", "/audit/holds", hold)),
    removeAuditHold: async (id) =>
      parseAuditHoldList(await call("DELETE", `/audit/holds/${encodeURIComponent(id)}`)),
    readRegistry: async () => parseRegistryLogStatus(await call("GET", "/registry")),
    readCall: async (callId) => parseCallProvenance(await call("GET", `/calls/${callId}`)),
    readEvidence: async (callId) =>
      parseEvidence(await call("GET", `/calls/${encodeURIComponent(callId)}/evidence`)),
    readAudit: async (afterSeq, limit) =>
      parseChainPage(await call("GET", `/audit?afterSeq=${afterSeq}&limit=${limit}`)),
    searchAudit: async (query) =>
      parseAuditSearchPage(await call("GET", `/audit?${new URLSearchParams(query).toString()}`)),
    exportAudit: async (filters) =>
      await stream("application/x-ndjson", `/audit?${new URLSearchParams(filters).toString()}`),
    followAudit: async (filters, after) =>
      await stream("text/event-stream", `/audit?${new URLSearchParams(filters).toString()}`, {
        "last-event-id": String(after),
      }),
  };
}

const policyPath = (name: string): string => `/policies/${encodeURIComponent(name)}`;
const holderPath = (holder: string): string => `/policy-holders/${encodeURIComponent(holder)}`;

function pathOf(agent: string): string {
  return `/agents/${encodeURIComponent(agent)}`;
}
