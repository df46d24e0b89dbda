import { judge } from "@sonde/runbooks";
import { SondeError } from "@sonde/schemas/errors";
import type { Runbook } from "@sonde/schemas/manifest";
import type { Pack } from "../author/index.ts";

type Answers = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** What the rules of a runbook say, for tests that change one thing of a host at a time. */
export type RunbookTest = {
  /**
   * What the hub would find on the host when some members of its answers are changed: severity and
   * sentence of each finding, then of all that is unseen.
   */
  findings: (change?: Answers) => [severity: string, finding: string][];
  /** The findings of rules that begin with none of these texts. */
  untested: (beginnings: readonly string[]) => string[];
};

/**
 * @param healthy answers of a host in good order, by the name that each probe has in the runbook
 * @throws SondeError NOT_FOUND without a runbook, or unless these are its probes, all of them
 */
export function openRunbookTest(
  { definition: { name, runbook } }: Pack,
  healthy: Answers,
): RunbookTest {
  if (runbook === undefined) throw new SondeError("NOT_FOUND", `${name}: expected a runbook`);
  const [expected, got] = [runbook.probes, healthy].map((by) => Object.keys(by).sort().join(", "));
  if (expected !== got) {
    throw new SondeError("NOT_FOUND", `${name}: expected answers of ${expected}, got ${got}`);
  }
  return {
    findings(change = {}) {
      const answers = Object.entries(healthy).map(
        ([probe, data]) => [probe, { ...data, ...change[probe] }] as const,
      );
      // The build checked the definition against the schema.
      const judged = judge(runbook as Runbook, new Map(answers));
      return [
        ...judged.findings.map(({ severity, finding }): [string, string] => [severity, finding]),
        ...judged.unseen.map(({ why }): [string, string] => ["unseen", why]),
      ];
    },
    untested: (beginnings) =>
      runbook.rules
        .map(({ finding }) => finding)
        .filter((finding) => !beginnings.some((text) => finding.startsWith(text))),
  };
}
