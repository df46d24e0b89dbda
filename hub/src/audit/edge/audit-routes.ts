import { ChainPage, readAuditQuery } from "@sonde/schemas/audit";
import { type AuditFilters, AuditSearchPage, AuditSearchQuery } from "@sonde/schemas/audit-search";
import { SondeError } from "@sonde/schemas/errors";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Hub } from "../../hub.ts";
import { lookAgain, type Reauthenticate } from "../../web/edge/event-streams.ts";
import type { AuditStore } from "./audit-store.ts";
import { createDroppedStore } from "./dropped-store.ts";
import { exportLog } from "./export-log.ts";
import { openLiveLog } from "./live-log.ts";
import { DEFAULT_FOUND, type LogReader, toRecorded } from "./log-reader.ts";
import { createLogSearch } from "./log-search.ts";
import { filtersOf, readWanted } from "./read-wanted.ts";
import type { Subjects } from "./subjects.ts";

/** Of one principal at a time: each holds a few hundred entries in memory. */
const MAX_EXPORTS = 4;

export type AuditUses = {
  store: AuditStore;
  reader: LogReader;
  subjects: Subjects;
  authenticate: Reauthenticate;
};

type Request = FastifyRequest<{ Querystring: AuditSearchQuery }>;

/**
 * Adds the route that reads the audit log: pages of the chain, a search, an export and the live log.
 * Each read is recorded in the log, a stream at its beginning.
 */
export function addAuditRoutes(hub: Hub, uses: AuditUses): void {
  const { store, reader, subjects, authenticate } = uses;
  const { app, auditLog, elapsed, pages } = hub;
  const search = createLogSearch(hub.sql);
  const dropped = createDroppedStore(hub.sql);
  const live = openLiveLog(hub, { search, dropped, authenticate });
  const exporting = new Map<string, number>();

  const record = ({ principal }: Request, detail: Record<string, unknown>) =>
    reader.record({ principal: principal.subject.id }, detail);

  async function readChain(request: Request): Promise<ChainPage> {
    const { cursor, order, ...asked } = request.query;
    if (Object.keys(filtersOf(asked)).length > 0 || (cursor ?? order) !== undefined) {
      throw new SondeError(
        "BAD_REQUEST",
        "expected afterSeq with limit only; a search has order and cursor in its place",
      );
    }
    const { afterSeq, limit } = readAuditQuery(asked);
    await record(request, { afterSeq, limit });
    const { entries } = await store.readChain(afterSeq, limit);
    return { entries, head: auditLog.head() };
  }

  async function readFound(request: Request, filters: AuditFilters): Promise<AuditSearchPage> {
    const { principal, query } = request;
    const { order = "newest" } = query;
    const limit = Number(query.limit ?? DEFAULT_FOUND);
    const asked = { principal, query: { ...query, limit: String(limit) } };
    const { after } = pages.start("audit", asked);
    const place = after === null ? null : Number(after);
    const found = await reader.find(
      { principal: principal.subject.id },
      {
        ...{ filters, order, limit },
        ...(order === "oldest"
          ? { afterSeq: place, beforeSeq: null }
          : { afterSeq: null, beforeSeq: place }),
      },
    );
    const { entries, searched, dropped: missing, rest } = found;
    return {
      ...{ entries, searched, head: await auditLog.readHead() },
      ...(missing !== null && { dropped: missing }),
      ...(rest !== null && { next: pages.next("audit", asked, String(rest)) }),
    };
  }

  async function startExport(request: Request, reply: FastifyReply, filters: AuditFilters) {
    const { order, limit, cursor } = request.query;
    if ((order ?? limit ?? cursor) !== undefined) {
      throw new SondeError(
        "BAD_REQUEST",
        "expected an export without order, limit and cursor: it is whole, the oldest first",
      );
    }
    const end = countExport(request.principal.subject.id);
    try {
      const wanted = await readWanted(hub, subjects, filters);
      await record(request, { export: toRecorded(filters) });
      const head = await auditLog.readHead();
      const mayGoOn = async () => {
        const found = await lookAgain(hub, { authenticate, right: "audit.read" }, request);
        return found === null || "principal" in found;
      };
      const ports = { search, store, dropped, elapsed, mayGoOn };
      const lines = exportLog(ports, { wanted, filters, head });
      lines.on("close", end);
      return await reply
        .type("application/x-ndjson")
        .header("cache-control", "no-store")
        .send(lines);
    } catch (thrown) {
      end();
      throw thrown;
    }
  }

  /** @returns what ends it */
  function countExport(principal: string): () => void {
    const before = exporting.get(principal) ?? 0;
    if (before >= MAX_EXPORTS) {
      throw new SondeError("TOO_MANY_ATTEMPTS", `${MAX_EXPORTS} exports are running already`);
    }
    exporting.set(principal, before + 1);
    let isCounted = true;
    return () => {
      if (!isCounted) return;
      isCounted = false;
      const left = (exporting.get(principal) ?? 1) - 1;
      if (left > 0) exporting.set(principal, left);
      else exporting.delete(principal);
    };
  }

  async function startLive(request: Request, reply: FastifyReply, filters: AuditFilters) {
    const { order, limit, cursor } = request.query;
    if ((order ?? limit ?? cursor) !== undefined) {
      throw new SondeError("BAD_REQUEST", "expected a live log without order, limit and cursor");
    }
    await readWanted(hub, subjects, filters);
    const { size } = await auditLog.readHead();
    await record(request, { live: toRecorded(filters) });
    live.open(request, reply, size, () => readWanted(hub, subjects, filters));
    return reply;
  }

  app.get(
    "/api/v1/audit",
    {
      config: { right: "audit.read", errors: ["CURSOR_REFUSED", "TOO_MANY_ATTEMPTS"] },
      schema: {
        summary:
          "The audit log: a search, the newest first; with afterSeq the chain, the oldest first; as application/x-ndjson an export, as text/event-stream live",
        querystring: AuditSearchQuery,
        response: { 200: Type.Union([AuditSearchPage, ChainPage]) },
      },
    },
    async (request: Request, reply) => {
      const { accept = "" } = request.headers;
      const filters = filtersOf(request.query);
      const isLive = accept.includes("text/event-stream");
      if (request.query.afterSeq === undefined) {
        if (isLive) return await startLive(request, reply, filters);
        if (accept.includes("application/x-ndjson")) {
          return await startExport(request, reply, filters);
        }
        return await readFound(request, filters);
      }
      return await readChain(request);
    },
  );
}
