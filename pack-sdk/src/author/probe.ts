import { buildView, type Read, type ReadOutcome, type View } from "./read.ts";
import type { Source } from "./source.ts";
import { type Infer, t, type TypedSchema, type ValueSchema } from "./t.ts";

/** The one argument of `run`. */
export type RunInput<P, Rd> = {
  params: Infer<P>;
  reads: { [K in keyof Rd]: View<Rd[K]> };
  /** Unix time in ms at which the reads began. A pack has no other clock. */
  now: number;
};

/** The input of a guest; see schemas/reads. */
export type GuestInput = { params: unknown; reads: Record<string, ReadOutcome>; now: number };

/** One question that a pack answers. */
export type Probe = {
  readonly description: string;
  readonly capability: "observe" | "interact" | "manage";
  readonly params: ValueSchema;
  readonly result: ValueSchema;
  readonly reads: Readonly<Record<string, Source | Read>>;
  readonly call: (input: GuestInput) => unknown;
};

/**
 * `Out`, with every property that `Promised` lacks typed as `never`. The agent refuses surplus
 * properties, so they must not compile.
 */
type NoMore<Promised, Out> = Promised extends readonly (infer P)[]
  ? Out extends readonly (infer O)[]
    ? readonly NoMore<P, O>[]
    : Out
  : Promised extends object
    ? { [K in keyof Out]: K extends keyof Promised ? NoMore<Promised[K], Out[K]> : never }
    : Out;

/**
 * Declares a probe. The host performs the reads first. `run` is a pure function of their data, and
 * its return value must fit `result`.
 *
 * @param spec.description one or more sentences for an AI reader, ending in a period
 */
export function probe<
  R extends TypedSchema<object>,
  Out extends Infer<R>,
  P extends TypedSchema<object> = TypedSchema<object>,
  const Rd extends Record<string, Source | Read> = Record<string, never>,
>(spec: {
  description: string;
  capability?: "observe" | "interact" | "manage";
  params?: P;
  result: R;
  reads?: Rd;
  run: (input: RunInput<P, Rd>) => Out & NoMore<Infer<R>, Out>;
}): Probe {
  const reads: Record<string, Source | Read> = spec.reads ?? {};
  const call = (input: GuestInput): unknown => {
    const views = Object.entries(reads).map(([name, use]) => [
      name,
      buildView(use, Object.hasOwn(input.reads, name) ? input.reads[name] : undefined),
    ]);
    // The agent checked the params against their schema. The views follow the declared reads.
    return spec.run({
      params: input.params,
      reads: Object.fromEntries(views),
      now: input.now,
    } as RunInput<P, Rd>);
  };
  return {
    description: spec.description,
    capability: spec.capability ?? "observe",
    params: (spec.params ?? t.object({})).schema,
    result: spec.result.schema,
    reads,
    call,
  };
}
