import type { SqlSource } from "@sonde/schemas/manifest";
import type { RunnerOutcome, SqlData } from "@sonde/schemas/reads";
import type { TestBench } from "./start-runner.ts";

export type Asked = Partial<Omit<SqlSource, "statement">> & { values?: Record<string, string> };

/** Has a real runner ask a statement. */
export async function askSql(
  bench: TestBench,
  statement: SqlSource["statement"],
  server: Pick<SqlSource, "engine" | "socket" | "database">,
  { values = {}, ...more }: Asked = {},
): Promise<RunnerOutcome> {
  const source: SqlSource = {
    ...{ kind: "sql", ...server, statement, maxRows: 1000 },
    ...{ timeoutMs: 8000, maxBytes: 1_048_576 },
    ...more,
  };
  const { reads } = await bench.link.read([{ name: "it", source, values }], 10_000, [], true);
  return reads["it"] as RunnerOutcome;
}

/** @throws Error for a failure */
export function dataOf(outcome: RunnerOutcome): SqlData & { truncated: boolean } {
  const sample = outcome.ok ? outcome.samples[0] : undefined;
  if (sample === undefined || !("records" in sample.data)) throw new Error(JSON.stringify(outcome));
  return { ...sample.data, truncated: sample.truncated };
}

export const codeOf = (outcome: RunnerOutcome): string =>
  outcome.ok ? "ok" : outcome.failure.code;
export const messageOf = (outcome: RunnerOutcome): string =>
  outcome.ok ? "" : outcome.failure.message;
/** What a person is told to run. */
export const statementOf = (outcome: RunnerOutcome): string =>
  messageOf(outcome).split("in SQL: ")[1] ?? "";
