import { randomBytes } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import {
  AgentDetail,
  AgentList,
  ApproveTools,
  AssignPack,
  CreateToken,
  CreatedToken,
  RegistryLogStatus,
  ToolPinList,
} from "@sonde/schemas/hub";
import { AgentName, type Digest, PublisherName, type Version } from "@sonde/schemas/names";
import { MAX_PACKS, TOKEN_PREFIX } from "@sonde/schemas/wire";
import type { HttpServer } from "@sonde/service";
import { type Static, Type } from "typebox";
import type { AuditLog } from "../../core/audit-log.ts";
import { buildAuditRecord } from "../../core/audit-record.ts";
import { maySeeAgent, type Principal } from "../../core/authorize.ts";
import { type HubPack, listDefinitions } from "../../core/catalog.ts";
import type { Fleet, FleetAgent } from "../../core/fleet.ts";
import type { HubStore } from "../store/hub-store.ts";

const TOKEN_LIFETIME_MS = 15 * 60_000;

export type FleetRoutesOptions = {
  fleet: Fleet;
  store: HubStore;
  auditLog: AuditLog;
  now: () => Date;
  /** SHA-256 of the CA certificate, hex: what a token pins. */
  caFingerprint: string;
  enrolAddress: () => string;
  /**
   * Fetches the version that `wanted` means from the registry, verifies it by
   * this hub's own policy and remembers it.
   *
   * @throws SondeError with the verifier's code
   */
  obtainPack: (name: string, wanted: string, agentVersion: Version | null) => Promise<HubPack>;
  registry: () => RegistryLogStatus;
};

const AgentParams = Type.Object({ agent: AgentName });
const PackParams = Type.Object({ agent: AgentName, publisher: PublisherName, pack: PublisherName });

/** Agents, what they should run, and which tool definitions are approved. */
export function addFleetRoutes(app: HttpServer, options: FleetRoutesOptions): void {
  const { fleet, store, auditLog, now } = options;

  app.get(
    "/api/v1/agents",
    { config: { right: "agents.read" }, schema: { response: { 200: AgentList } } },
    (request) => ({
      agents: fleet
        .list()
        .filter(({ name }) => maySeeAgent(request.principal, name))
        .map(describeAgent),
    }),
  );

  app.get(
    "/api/v1/agents/:agent",
    {
      config: { right: "agents.read" },
      schema: { params: AgentParams, response: { 200: AgentDetail } },
    },
    async (request) => {
      const { agent } = request.params;
      if (!maySeeAgent(request.principal, agent)) {
        throw new SondeError("FORBIDDEN", `this key may not see agent ${agent}`);
      }
      return describeAgent(fleet.get(agent));
    },
  );

  app.get(
    "/api/v1/registry",
    {
      config: { right: "tools.read" },
      schema: { response: { 200: RegistryLogStatus } },
    },
    () => options.registry(),
  );

  app.put(
    "/api/v1/agents/:agent/packs/:publisher/:pack",
    {
      config: { right: "agents.manage" },
      schema: { params: PackParams, body: AssignPack, response: { 200: AgentDetail } },
    },
    async (request) => {
      const agent = fleet.get(request.params.agent);
      const name = `${request.params.publisher}/${request.params.pack}`;
      requireRoom(agent, name);
      const agentVersion = agent.hello?.agentVersion ?? null;
      const pack = await options.obtainPack(name, request.body.version, agentVersion);
      const at = now();
      const by = request.principal.id;
      await record(auditLog, at, request.principal, "desired-state.changed", agent.name, {
        pack: name,
        version: pack.version,
        digest: pack.digest,
      });
      // The first approval of a probe's words comes with the order to install it;
      // words that differ from a pin stay held until they are approved by name.
      await approveTools(options, pack, by, at, false);
      const revision = await store.assignPack({
        agentId: agent.id,
        pack: name,
        digest: pack.digest,
        by,
        at,
      });
      return describeAgent(await applyDesired(fleet, store, agent.id, revision));
    },
  );

  app.delete(
    "/api/v1/agents/:agent/packs/:publisher/:pack",
    {
      config: { right: "agents.manage" },
      schema: { params: PackParams, response: { 200: AgentDetail } },
    },
    async (request) => {
      const agent = fleet.get(request.params.agent);
      const name = `${request.params.publisher}/${request.params.pack}`;
      await record(auditLog, now(), request.principal, "desired-state.changed", agent.name, {
        pack: name,
        removed: true,
      });
      const revision = await store.removePack(agent.id, name);
      return describeAgent(await applyDesired(fleet, store, agent.id, revision));
    },
  );

  app.post(
    "/api/v1/enrolment-tokens",
    {
      config: { right: "agents.manage" },
      schema: { body: CreateToken, response: { 201: CreatedToken } },
    },
    async (request, reply) => {
      const secret = `${TOKEN_PREFIX}${randomBytes(32).toString("base64url")}`;
      const at = now();
      const expiresAt = new Date(at.getTime() + TOKEN_LIFETIME_MS);
      const agentName = request.body.agentName ?? null;
      await record(auditLog, at, request.principal, "token.created", agentName, {
        expiresAt: expiresAt.toISOString(),
      });
      await store.addToken({ secret, agentName, at, expiresAt });
      return reply.code(201).send({
        token: `${secret}.${options.caFingerprint}`,
        expiresAt: expiresAt.toISOString(),
        enrolAddress: options.enrolAddress(),
      });
    },
  );

  app.get(
    "/api/v1/tool-pins",
    { config: { right: "tools.read" }, schema: { response: { 200: ToolPinList } } },
    () => listPins(fleet, store),
  );

  app.post(
    "/api/v1/tool-pins",
    {
      config: { right: "tools.approve" },
      schema: { body: ApproveTools, response: { 200: ToolPinList } },
    },
    async (request) => {
      const pack = fleet.packs().get(request.body.packDigest);
      if (pack === undefined) {
        throw new SondeError("NOT_FOUND", "expected the digest of an archive this hub verified");
      }
      const at = now();
      await record(auditLog, at, request.principal, "tools.approved", null, {
        pack: pack.name,
        digest: pack.digest,
      });
      await approveTools(options, pack, request.principal.id, at, true);
      return listPins(fleet, store);
    },
  );
}

/** More than an agent takes would end its session at every attempt to tell it. */
function requireRoom({ name: agent, desired }: FleetAgent, pack: string): void {
  const others = desired.packs.filter(({ name }) => name !== pack);
  if (others.length < MAX_PACKS) return;
  throw new SondeError(
    "BAD_REQUEST",
    `${agent}: expected at most ${MAX_PACKS} packs, got one more`,
  );
}

async function approveTools(
  { fleet, store }: FleetRoutesOptions,
  pack: HubPack,
  by: string,
  at: Date,
  replace: boolean,
): Promise<void> {
  const pins = listDefinitions(pack)
    .filter(({ probe }) => replace || !fleet.pins().has(probe))
    .map(({ probe, definitionSha256 }) => ({ probe, definitionSha256, packDigest: pack.digest }));
  await store.pinTools(pins, by, at, replace);
  for (const { probe, definitionSha256 } of pins) fleet.setPin(probe, definitionSha256);
}

async function listPins(fleet: Fleet, store: HubStore): Promise<Static<typeof ToolPinList>> {
  const pins = await store.listPins();
  const held: { probe: string; definitionSha256: Digest; packDigest: Digest }[] = [];
  const inUse = new Set(fleet.list().flatMap(({ desired }) => desired.packs.map((p) => p.digest)));
  for (const pack of fleet.packs().values()) {
    if (!inUse.has(pack.digest)) continue;
    for (const { probe, definitionSha256 } of listDefinitions(pack)) {
      if (fleet.pins().get(probe) === definitionSha256) continue;
      held.push({ probe, definitionSha256, packDigest: pack.digest });
    }
  }
  return { pins, held };
}

/** Makes the stored desired state the live one and tells the agent if it is there. */
async function applyDesired(
  fleet: Fleet,
  store: HubStore,
  agentId: string,
  revision: number,
): Promise<FleetAgent> {
  const stored = (await store.loadFleet()).agents.find(({ id }) => id === agentId);
  const agent = fleet.find(agentId);
  if (stored === undefined || agent === undefined) {
    throw new SondeError("AGENT_UNKNOWN", "the agent was removed meanwhile");
  }
  // Two changes at once: the newer one carries both.
  if (revision >= agent.desired.revision) {
    fleet.update(agentId, { desired: stored.desired });
    agent.link?.sendDesiredState(stored.desired);
  }
  return fleet.find(agentId) ?? agent;
}

function describeAgent(agent: FleetAgent): Static<typeof AgentDetail> {
  return {
    id: agent.id,
    name: agent.name,
    online: agent.link !== null,
    enrolledAt: agent.enrolledAt,
    lastSeenAt: agent.lastSeenAt,
    os: agent.hello?.os ?? null,
    wall: agent.hello?.wall ?? null,
    desired: agent.desired.packs,
    packs: agent.packs,
  };
}

async function record(
  auditLog: AuditLog,
  at: Date,
  principal: Principal,
  event: "desired-state.changed" | "token.created" | "tools.approved",
  agent: string | null,
  detail: Record<string, unknown>,
): Promise<void> {
  await auditLog.append(buildAuditRecord(at, event, { principal: principal.id, agent, detail }));
}
