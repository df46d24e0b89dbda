import { randomBytes } from "node:crypto";
import type { CallToolResult } from "@modelcontextprotocol/server";
import { toSondeError } from "@sonde/schemas/errors";
import type { ToolResult } from "@sonde/schemas/hub";
import type { CallOutcome, CallPorts } from "../../calls/index.ts";
import type { Principal } from "../../identity/index.ts";
import type { Diagnosed } from "../../runbooks/index.ts";
import { cutPages, MAX_CHARACTERS, type PageName, withCursor, writeCursor } from "../core/pages.ts";
import { renderText } from "../core/render-text.ts";
import type { KeptPages } from "./kept-pages.ts";

export type AnswerPorts = Pick<CallPorts, "newCallId" | "report"> & { keptPages: KeptPages };

type Meta = Record<string, unknown>;

/** Answers with text for a model. */
export function answerText(text: string, meta: Meta): CallToolResult {
  return { content: [{ type: "text", text }], isError: false, _meta: meta };
}

/**
 * Answers with results: as data for programs, and as text for a model. An error means that nobody
 * could look. A long answer is kept in pages, of which this is the first.
 */
export async function answerResults(
  ports: AnswerPorts,
  { subject }: Principal,
  results: readonly ToolResult[],
  meta: Meta,
): Promise<CallToolResult> {
  // Made after the servers have said what they say.
  const mark = randomBytes(4).toString("hex");
  const text = renderText(results, mark);
  const isError = results.length > 0 && results.every(({ status }) => status === "failure");
  const answer = (shown: string, structuredContent: Record<string, unknown>): CallToolResult => ({
    ...{ content: [{ type: "text", text: shown }], structuredContent, isError, _meta: meta },
  });
  if (text.length <= MAX_CHARACTERS && isShort(results)) return answer(text, { results });
  const { pages } = cutPages(text, mark);
  const first: PageName = { id: ports.newCallId(), page: 1 };
  try {
    await ports.keptPages.keep(first.id, subject.id, pages);
  } catch (thrown) {
    ports.report(toSondeError(thrown));
    return answer(`${pages[0]}\nThe rest could not be kept. Ask for less.`, { results: [] });
  }
  const named = results.map(({ data: _data, ...result }) => result);
  return answer(withCursor(pages[0] ?? "", first, pages.length), {
    results: isShort(named) ? named : [],
    cursor: writeCursor(first),
  });
}

/** Answers a call. Each agent's part of it has its own id. */
export async function answerOutcome(
  ports: AnswerPorts,
  principal: Principal,
  outcome: CallOutcome,
): Promise<CallToolResult> {
  const results = outcome.map(({ result }) => result);
  const [only, ...others] = outcome;
  const ids = outcome.map(({ callId, result }) => [result.agent, callId]);
  return await answerResults(
    ports,
    principal,
    results,
    others.length === 0
      ? { "sonde.dev/callId": only?.callId }
      : { "sonde.dev/callIds": Object.fromEntries(ids) as Record<string, string> },
  );
}

/** Answers with findings. The calls that they rest on are named for programs. */
export async function answerDiagnosis(
  ports: AnswerPorts,
  principal: Principal,
  diagnosed: readonly Diagnosed[],
  meta: Meta,
): Promise<CallToolResult> {
  const results = diagnosed.map(({ result }) => result);
  const callIds = Object.fromEntries(diagnosed.map(({ result, calls }) => [result.agent, calls]));
  return await answerResults(ports, principal, results, { ...meta, "sonde.dev/callIds": callIds });
}

function isShort(results: readonly object[]): boolean {
  return JSON.stringify(results).length <= MAX_CHARACTERS;
}
