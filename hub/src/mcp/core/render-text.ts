import type { ToolResult } from "@sonde/schemas/hub";
import { toPlainLine } from "@sonde/schemas/plain-text";
import { writeCompact, writeTable } from "./compact.ts";

/**
 * Writes results for a model. What servers said stands between `<<<data MARK` and `data MARK>>>`;
 * all else is the hub's own words. No line of the data can be such a mark (attack 57).
 *
 * @param mark a text that no server can know
 */
export function renderText(results: readonly ToolResult[], mark: string): string {
  const answered = results.filter(({ data }) => data !== undefined);
  const failed = results.filter(({ failure }) => failure !== undefined);
  return [
    ...(results.length > 1 ? [`${answered.length} of ${results.length} servers answered.`] : []),
    ...renderFailures(failed, mark),
    ...(renderTogether(answered, mark) ?? answered.flatMap((result) => renderData(result, mark))),
    ...(results.length === 0 ? ["No results."] : []),
  ].join("\n");
}

/** The advice on a code once, however many servers have it. */
function renderFailures(failed: readonly ToolResult[], mark: string): string[] {
  const lines = failed.map(({ agent, failure }) => {
    // The words of a failure may be a server's, or the client's own.
    const message = JSON.stringify(failure?.message);
    const what = agent === "" ? "The call" : nameOf(agent);
    return toPlainLine(`${what} failed: ${failure?.code} ${message}`);
  });
  const advice = new Map(failed.map(({ failure }) => [failure?.code, failure]));
  return [
    ...fence(lines, mark, ""),
    ...[...advice].map(([code, failure]) => {
      const again = failure?.retryable === true ? " The same call may succeed later." : "";
      return `${code}: ${failure?.hint}${again}`;
    }),
  ];
}

/** Alike answers of many servers are one table. */
function renderTogether(answered: readonly ToolResult[], mark: string): string[] | null {
  if (answered.length < 2) return null;
  const rows = answered.map(({ agent, data = {} }) => ({ name: agent, data }));
  const table = writeTable("agent", rows);
  return table === null ? null : fence(table, mark, noteOn(answered));
}

function renderData(result: ToolResult, mark: string): string[] {
  const whose = result.agent === "" ? "" : ` of ${nameOf(result.agent)}`;
  return fence(writeCompact(result.data ?? {}), mark, `${whose}${noteOn([result])}`);
}

/** Marks lines as data. */
export function fence(lines: readonly string[], mark: string, about: string): string[] {
  return lines.length === 0 ? [] : [`<<<data ${mark}${about}`, ...lines, `data ${mark}>>>`];
}

/** When it was read, and whether something is not as it was read. */
function noteOn(results: readonly ToolResult[]): string {
  const times = results.flatMap(({ collectedAt }) => collectedAt ?? []).toSorted();
  const redacted = results.reduce((count, { redactions }) => count + redactions.count, 0);
  const cut = results.flatMap(({ agent, truncated }) => (truncated ? [agent] : []));
  return [
    ...(times.length === 0 ? [] : [`, read at ${times[0]}`]),
    ...(redacted === 0 ? [] : [`, ${redacted} secrets redacted`]),
    ...(cut.length === 0 ? [] : [`, cut short: ${cut.join(", ")}`]),
  ].join("");
}

/** A client may name anything as an agent. */
function nameOf(agent: string): string {
  return /^[a-z0-9.-]{1,63}$/.test(agent) ? agent : JSON.stringify(agent.slice(0, 100));
}
