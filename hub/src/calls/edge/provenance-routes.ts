import type { AuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { CallProvenance } from "@sonde/schemas/hub";
import { Uuid } from "@sonde/schemas/names";
import { describeSigner } from "@sonde/schemas/trust";
import type { ResultBody } from "@sonde/schemas/wire";
import { type Static, Type } from "typebox";
import { type AuditStore, createDroppedStore, explainMissingCall } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { CallOrigin } from "../core/call-origin.ts";

/**
 * Adds the route that tells the provenance of one answer. The records of the call answer it, so it
 * stays the same when agent, pack or approval change later.
 */
export function addProvenanceRoutes(hub: Hub, store: AuditStore): void {
  const { app, auditLog } = hub;
  const dropped = createDroppedStore(hub.sql);

  app.get(
    "/api/v1/calls/:callId",
    {
      config: { right: "calls.read", errors: ["NOT_FOUND"] },
      schema: {
        summary: "One call in full: who, what was read, how long, and what proves it",
        params: Type.Object({ callId: Uuid }),
        response: { 200: CallProvenance },
      },
    },
    async (request) => {
      await auditLog.flush();
      const entries = await store.readCall(request.params.callId);
      const described = describeCall(hub, entries);
      if (described !== null) return described;
      throw await explainMissingCall(auditLog, dropped);
    },
  );
}

type ResponseDetail = {
  hops: { hop: string; ms: number }[];
  timings?: ResultBody["timings"];
  reads?: ResultBody["reads"];
  agentHead?: ResultBody["auditHead"];
};

/** Null without the record that admits the call. */
function describeCall(
  { directory }: Pick<Hub, "directory">,
  entries: AuditEntry[],
): Static<typeof CallProvenance> | null {
  const request = entries.find(({ record }) => record.event === "call.request")?.record;
  const response = entries.find(({ record }) => record.event === "call.response")?.record;
  if (!request?.callId || !request.packDigest || !request.probe || !request.agent) return null;
  const origin = request.detail as Partial<CallOrigin>;
  // Release 0.1.0 recorded neither the pack's name nor its approval.
  const pack = origin.pack ?? directory.packs().get(request.packDigest);
  if (pack === undefined || origin.signer === undefined) {
    throw new SondeError("NOT_FOUND", "the record of this call does not name its pack");
  }
  const detail = (response?.detail ?? { hops: [] }) as ResponseDetail;
  const { total, ...stages } = detail.timings ?? { total: 0 };
  return {
    callId: request.callId,
    principal: request.principal ?? "",
    agent: request.agent,
    probe: request.probe,
    pack: {
      name: pack.name,
      version: pack.version,
      digest: request.packDigest,
      signer: describeSigner(origin.signer),
    },
    approved: origin.approved === undefined ? "unrecorded" : origin.approved,
    reads: detail.reads ?? [],
    hops: [
      ...detail.hops,
      ...Object.entries(stages).map(([name, ms]) => ({ hop: `agent: ${name}`, ms })),
      { hop: "agent: total", ms: total },
    ],
    audit: {
      hub: entries.map(({ seq, hash }) => ({ seq, hash })),
      agent: detail.agentHead ?? null,
    },
  };
}
