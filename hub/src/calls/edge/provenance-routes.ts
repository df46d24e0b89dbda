import type { AuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { CallProvenance } from "@sonde/schemas/hub";
import { Uuid } from "@sonde/schemas/names";
import { type Signer, describeSigner } from "@sonde/schemas/trust";
import type { ResultBody } from "@sonde/schemas/wire";
import { type Static, Type } from "typebox";
import type { AuditStore } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";

/** Adds the route that tells the provenance of one answer. */
export function addProvenanceRoutes(hub: Hub, store: AuditStore): void {
  const { app, auditLog } = hub;

  app.get(
    "/api/v1/calls/:callId",
    {
      config: { right: "calls.read" },
      schema: { params: Type.Object({ callId: Uuid }), response: { 200: CallProvenance } },
    },
    async (request) => {
      await auditLog.flush();
      return describeCall(hub, await store.readCall(request.params.callId));
    },
  );
}

type ResponseDetail = {
  hops: { hop: string; ms: number }[];
  timings?: ResultBody["timings"];
  reads?: ResultBody["reads"];
  agentHead?: ResultBody["auditHead"];
};

function describeCall(
  { directory }: Pick<Hub, "directory">,
  entries: AuditEntry[],
): Static<typeof CallProvenance> {
  const request = entries.find(({ record }) => record.event === "call.request")?.record;
  const response = entries.find(({ record }) => record.event === "call.response")?.record;
  if (!request?.callId || !request.packDigest || !request.probe || !request.agent) {
    throw new SondeError("NOT_FOUND", "expected the id of an admitted call");
  }
  const pack = directory.packs().get(request.packDigest);
  if (pack === undefined) throw new SondeError("NOT_FOUND", "the call's pack is no longer known");
  const report = directory
    .agent(request.agent)
    .packs.find(({ digest }) => digest === request.packDigest);
  // The agent's statement may have members that this release does not know.
  const { by, at } = report?.approved ?? {};
  const detail = (response?.detail ?? { hops: [] }) as ResponseDetail;
  const { total, ...stages } = detail.timings ?? { total: 0 };
  return {
    callId: request.callId,
    principal: request.principal ?? "",
    agent: request.agent,
    probe: request.probe,
    // The signer as recorded at the time of the call.
    pack: {
      name: pack.name,
      version: pack.version,
      digest: pack.digest,
      signer: describeSigner(request.detail["signer"] as Signer),
    },
    approved: by === undefined || at === undefined ? null : { by, at },
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
