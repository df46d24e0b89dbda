import {
  AuditAttestation,
  type AuditCheckpoint,
  AuditProof,
  type AuditWitness,
  type CosignedCheckpoint,
  buildAuditRecord,
} from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { Checkpoint } from "@sonde/trust/log";
import { Type } from "typebox";
import type { Hub } from "../../hub.ts";
import type { AuditStore } from "./audit-store.ts";

const BySeq = Type.Object(
  { seq: Type.String({ pattern: "^[1-9][0-9]{0,14}$" }) },
  { additionalProperties: false },
);

export type CheckpointUses = {
  store: AuditStore;
  /** What agents say of the log. */
  readWitnesses: () => Promise<AuditWitness[]>;
  /** What witnesses outside have cosigned of it. */
  readCosigned: () => Promise<CosignedCheckpoint[]>;
};

/** Adds the routes that give what proves the audit log. */
export function addCheckpointRoutes(hub: Hub, uses: CheckpointUses): void {
  const { store } = uses;
  const { app, auditLog, checkpoints, now } = hub;

  app.get(
    "/api/v1/audit/attestation",
    {
      config: { right: "audit.read" },
      schema: {
        summary: "What the hub's keys and its agents say of the audit log",
        response: { 200: AuditAttestation },
      },
    },
    () => readAttestation(hub, uses),
  );

  app.post(
    "/api/v1/audit/checkpoints",
    {
      config: { right: "audit.read", errors: ["AUDIT_INCONSISTENT"] },
      schema: {
        summary: "Signs the audit log as it is now, and gives what proves it",
        response: { 200: AuditAttestation },
      },
    },
    async () => {
      await checkpoints.sign();
      return await readAttestation(hub, uses);
    },
  );

  app.get(
    "/api/v1/audit/entries/:seq/proof",
    {
      config: { right: "audit.read", errors: ["NOT_FOUND"] },
      schema: {
        summary: "An entry of the audit log, and the proof that it is in the newest checkpoint",
        params: BySeq,
        response: { 200: AuditProof },
      },
    },
    async (request) => {
      const seq = Number(request.params.seq);
      const principal = request.principal.subject.id;
      await auditLog.append(
        buildAuditRecord(now(), "log.read", { principal, detail: { proof: seq } }),
      );
      const checkpoint = checkpoints.latest();
      if (checkpoint === null || seq > checkpoint.size) {
        throw new SondeError(
          "NOT_FOUND",
          `expected an entry of the ${checkpoint?.size ?? 0} that are signed, got ${seq}`,
        );
      }
      const [{ entries }, path] = await Promise.all([
        store.readChain(seq - 1, 1),
        checkpoints.proveEntry(seq, checkpoint.size),
      ]);
      const [entry] = entries;
      if (entry === undefined) throw new SondeError("NOT_FOUND", `expected entry ${seq}, got none`);
      const inBase64 = path.map((hash) => hash.toString("base64"));
      return { entry, checkpoint: describeCheckpoint(checkpoint), path: inBase64 };
    },
  );
}

async function readAttestation(
  { keys, auditLog, checkpoints }: Hub,
  { readWitnesses, readCosigned }: CheckpointUses,
): Promise<AuditAttestation> {
  const checkpoint = await checkpoints.atLeast(0);
  const [head, witnesses, cosigned] = await Promise.all([
    auditLog.readHead(),
    readWitnesses(),
    readCosigned(),
  ]);
  const problem = checkpoints.problem();
  return {
    ...{ hubId: keys.hubId, authority: keys.authority, keySet: keys.signing.held().envelope },
    ...{ checkpoint: checkpoint === null ? null : describeCheckpoint(checkpoint), head },
    unattested: Math.max(0, head.size - (checkpoint?.size ?? 0)),
    problem: problem === null ? null : { code: problem.code, message: problem.message },
    ...{ witnesses, cosigned },
  };
}

export function describeCheckpoint({ size, root, at, note }: Checkpoint): AuditCheckpoint {
  return { size, root: root.toString("base64"), at: at.toISOString(), note };
}
