import { CallList, CallQuery, type CallSummary } from "@sonde/schemas/hub";
import { type AuditStore, createDroppedStore, type StoredCall } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { maySeeAgent } from "../../identity/index.ts";

/** Calls of a page, unless a client wants others. */
const DEFAULT_LIMIT = "100";

/** Adds the route that lists the newest calls, of all agents or of one. */
export function addCallListRoute(hub: Hub, store: Pick<AuditStore, "readCalls">): void {
  const { app, auditLog, directory, pages } = hub;
  const dropped = createDroppedStore(hub.sql);
  app.get(
    "/api/v1/calls",
    {
      config: { right: "calls.read", errors: ["CURSOR_REFUSED"] },
      schema: {
        summary: "The newest calls first, of all agents or of one",
        querystring: CallQuery,
        response: { 200: CallList },
      },
    },
    async ({ principal, query }) => {
      const request = { principal, query: { limit: DEFAULT_LIMIT, ...query } };
      const { after, limit } = pages.start("calls", request);
      await auditLog.flush();
      const found = await store.readCalls({
        before: after === null ? null : Number(after),
        limit: limit + 1,
        agent: query.agent ?? null,
      });
      const page = found.slice(0, limit);
      const last = page.at(-1)?.asked.seq;
      const first = after === null ? (await auditLog.readHead()).size : Number(after) - 1;
      const from = found.length > limit && last !== undefined ? last : 1;
      const missing = await dropped.find({ from, to: first });
      return {
        calls: page
          .map((call) => summarize(call, missing?.to ?? 0))
          .filter(({ agent }) => maySeeAgent(principal, directory.tagged(agent))),
        ...(missing !== null && { dropped: missing }),
        ...(found.length > limit &&
          last !== undefined && { next: pages.next("calls", request, String(last)) }),
      };
    },
  );
}

/** @param droppedTo a call up to that entry has ended: its answer may be the content that was dropped */
function summarize({ asked, answer }: StoredCall, droppedTo: number): CallSummary {
  const { callId, at, principal, agent, probe, event, code } = asked.record;
  const isDenied = event === "call.denied";
  const isLost = !isDenied && answer === null && asked.seq <= droppedTo;
  return {
    ...{ callId: callId ?? "", at, principal: principal ?? "", agent: agent ?? "", probe },
    status: isDenied ? "denied" : isLost ? "failure" : statusOf(answer),
    code: isDenied ? code : isLost ? "CALL_OUTCOME_UNKNOWN" : (answer?.code ?? null),
    durationMs: answer?.durationMs ?? null,
  };
}

function statusOf(answer: StoredCall["answer"]): CallSummary["status"] {
  if (answer === null) return "running";
  return answer.status === "ok" ? "ok" : "failure";
}
