/** What must hold of one value of an answer, or of a row; see schemas/manifest. */
export type Condition =
  | {
      readonly value: string;
      /** The bounds are on the value divided by this one. */
      readonly per?: string;
      readonly atLeast?: number;
      readonly below?: number;
    }
  | { readonly value: string; readonly is: boolean }
  | { readonly value: string; readonly oneOf: readonly string[] }
  | { readonly value: string; readonly contains: readonly string[] };

/** One judgement on the answer of one probe. */
export type Rule<Of extends string = string> = {
  /** A sentence, without values of the host: `show` names those. */
  readonly finding: string;
  /** `unseen` is for an answer that does not tell all that was asked. */
  readonly severity: "critical" | "warning" | "info" | "unseen";
  /** One of the runbook's probes, by the name that it has there. */
  readonly of: Of;
  /** A list of the answer whose rows are judged. Paths then begin at the row. */
  readonly each?: string;
  /** All must hold. */
  readonly when: readonly Condition[];
  readonly show: readonly string[];
  /** Tools to ask next, as clients call them. */
  readonly next?: readonly string[];
};

type Asked = { readonly probe: string; readonly params?: Readonly<Record<string, unknown>> };

/** What is wrong with a host, as far as the pack can tell. */
export type Runbook = {
  readonly description: string;
  readonly probes: Readonly<Record<string, Asked>>;
  readonly rules: readonly Rule[];
};

/**
 * Declares a pack's runbook. It is data: the hub asks its probes together and judges the answers. The
 * build checks each path against the results of the probes.
 *
 * @param spec.description what it looks for, ending in a period
 * @param spec.probes probes of the pack by a short name, with fixed parameters
 */
export function runbook<const P extends Record<string, Asked>>(spec: {
  description: string;
  probes: P;
  rules: readonly Rule<keyof P & string>[];
}): Runbook {
  return spec;
}
