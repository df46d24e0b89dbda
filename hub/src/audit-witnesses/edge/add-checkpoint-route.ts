import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { createRateLimit, createRefusalCounts } from "@sonde/service";
import {
  cosignCheckpoint,
  type ForeignCheckpoint,
  isSignedByLog,
  type NoteKey,
  parseNoteKey,
  readForeignCheckpoint,
} from "@sonde/trust/log";
import type { FastifyReply, FastifyRequest } from "fastify";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { MAX_ADD_BYTES, parseAddCheckpoint } from "../core/add-checkpoint.ts";
import { judgeGrowth } from "../core/judge-growth.ts";
import type { WitnessedLogs } from "./witnessed-logs.ts";

const ROUTE = "/witness/add-checkpoint";
/** A log signs once a minute, and asks again after a conflict. */
const PER_MINUTE = 30;
/** A signed checkpoint of another history is evidence, of which one a day is enough. */
const EVIDENCE = { perMinute: 1 / (24 * 60), atOnce: 1 };

/**
 * Adds the endpoint by which this hub is a witness of other logs (C2SP tlog-witness). The specification
 * has no sign-in: the log's signature on the checkpoint is the caller's right. What comes before it is
 * bounded, and a stranger's request costs no query.
 */
export function addCheckpointWitness(hub: Hub, logs: WitnessedLogs): void {
  const { app, auditLog, elapsed, now, keys } = hub;
  const addresses = createRateLimit({ perMinute: PER_MINUTE, atOnce: PER_MINUTE }, elapsed);
  const evidence = createRateLimit(EVIDENCE, elapsed);
  const refusals = createRefusalCounts({ event: "request.refused", ...hub });
  app.addHook("onClose", () => refusals.close());
  const keysOf = createKeyring(() => hub.config.witnessFor ?? []);

  /** Another history of a log, by the log's own signature, is for this hub's log too. */
  async function keepEvidence(
    { origin, size }: ForeignCheckpoint["stated"],
    seen: number,
    note: string,
  ): Promise<void> {
    if (evidence.take(origin) > 0) return;
    const known = { status: "denied", code: "CHECKPOINT_INCONSISTENT" } as const;
    const detail = { log: origin, size, seen, note };
    await auditLog.append(buildAuditRecord(now(), "witness.refused", { ...known, detail }));
  }

  async function answer({ body, ip }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const asked = parseAddCheckpoint(Buffer.isBuffer(body) ? body : Buffer.alloc(0));
    const checkpoint = readCheckpoint(asked.note);
    const { stated } = checkpoint;
    demandSigned(checkpoint, keysOf(stated.origin));
    if (asked.from > stated.size) {
      throw new SondeError(
        "BAD_REQUEST",
        `add-checkpoint: expected an old size of at most ${stated.size}, got ${asked.from}`,
      );
    }
    const { verdict, seen } = await logs.advance({ origin: stated.origin, stated }, (before) =>
      judgeGrowth(asked, stated, before),
    );
    if (verdict === "grown") {
      const { key, signer } = await keys.openWitness();
      const line = cosignCheckpoint(checkpoint, key, signer, now());
      return reply.type("text/plain; charset=utf-8").send(line);
    }
    if (verdict !== "other-size") await keepEvidence(stated, seen, asked.note);
    if (verdict === "unproven") {
      throw new SondeError(
        "CHECKPOINT_INCONSISTENT",
        `expected a proof that the log of ${stated.size} entries begins with the ${seen} that were cosigned, got none`,
      );
    }
    if (verdict === "other-root") refusals.add(ip, "CHECKPOINT_INCONSISTENT");
    return reply.code(409).type("text/x.tlog.size").send(`${seen}\n`);
  }

  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, parsed) =>
      parsed(null, body),
    );
    scope.post(
      ROUTE,
      {
        bodyLimit: MAX_ADD_BYTES,
        config: { right: "anybody" },
        async onRequest({ ip }, reply) {
          const waitMs = addresses.take(ip);
          if (waitMs === 0) return;
          refusals.add(ip, "TOO_MANY_ATTEMPTS");
          reply.header("retry-after", Math.ceil(waitMs / 1000));
          throw new SondeError(
            "TOO_MANY_ATTEMPTS",
            `expected at most ${PER_MINUTE} checkpoints a minute of one address, got more`,
          );
        },
      },
      async (request, reply) => {
        try {
          return await answer(request, reply);
        } catch (thrown) {
          if (thrown instanceof SondeError) refusals.add(request.ip, thrown.code);
          throw thrown;
        }
      },
    );
    done();
  });
}

/** @throws SondeError NOT_FOUND for a log that is not witnessed here, CHECKPOINT_UNTRUSTED */
function demandSigned(checkpoint: ForeignCheckpoint, trusted: readonly NoteKey[]): void {
  if (trusted.length === 0) {
    throw new SondeError("NOT_FOUND", "expected a checkpoint of a log that is witnessed here");
  }
  if (isSignedByLog(checkpoint, trusted)) return;
  throw new SondeError(
    "CHECKPOINT_UNTRUSTED",
    `expected a signature of ${checkpoint.stated.origin} by a key that is known here, got none`,
  );
}

/** @throws SondeError BAD_REQUEST */
function readCheckpoint(note: string): ForeignCheckpoint {
  try {
    return readForeignCheckpoint(note);
  } catch (thrown) {
    throw new SondeError("BAD_REQUEST", `add-checkpoint: ${toSondeError(thrown).message}`);
  }
}

/** The keys of each log. They are read anew when the configuration is another one. */
function createKeyring(readVkeys: () => readonly string[]): (origin: string) => NoteKey[] {
  let of: readonly string[] | null = null;
  let keys: NoteKey[] = [];
  return (origin) => {
    const vkeys = readVkeys();
    if (vkeys !== of) {
      of = vkeys;
      keys = vkeys.map((vkey) => parseNoteKey(vkey));
    }
    return keys.filter(({ name }) => name === origin);
  };
}
