import { type Static, Type } from "typebox";
import { Identifier, ProbeName } from "../names.ts";

const closed = { additionalProperties: false } as const;

/** Names of members from the answer, or from the row, to a value: `memory.full.avg60Percent`. */
const ValuePath = Type.String({
  pattern: "^[a-z][a-zA-Z0-9]{0,39}(\\.[a-z][a-zA-Z0-9]{0,39}){0,5}$",
});

const Texts = Type.Array(Type.String({ minLength: 1, maxLength: 60 }), {
  minItems: 1,
  maxItems: 30,
});

/** What must hold of one value. A bound is on a number, or on the length of a list. */
export const Condition = Type.Union([
  Type.Object(
    {
      value: ValuePath,
      /** The bounds are on the value divided by this one: the load for each CPU. */
      per: Type.Optional(ValuePath),
      atLeast: Type.Optional(Type.Number()),
      below: Type.Optional(Type.Number()),
    },
    closed,
  ),
  Type.Object({ value: ValuePath, is: Type.Boolean() }, closed),
  Type.Object(
    {
      value: ValuePath,
      oneOf: Texts,
    },
    closed,
  ),
  /** One of these, anywhere in the text. */
  Type.Object({ value: ValuePath, contains: Texts }, closed),
]);
export type Condition = Static<typeof Condition>;

/** How grave a finding is. `unseen` is none: the answer does not tell all that was asked. */
export const Severity = Type.Union([
  Type.Literal("critical"),
  Type.Literal("warning"),
  Type.Literal("info"),
  Type.Literal("unseen"),
]);
export type Severity = Static<typeof Severity>;

/** One judgement on the answer of one probe. */
export const Rule = Type.Object(
  {
    /** What was found. The values that show it stand beside it, never in it. */
    finding: Type.String({ minLength: 5, maxLength: 160, pattern: "\\.$" }),
    severity: Severity,
    /** Which of the runbook's probes is judged, by the name that it has there. */
    of: Identifier,
    /** A list of the answer. Each of its rows is judged, and those that fit are one finding. */
    each: Type.Optional(ValuePath),
    /** All must hold. Without any, each row fits. */
    when: Type.Array(Condition, { maxItems: 6 }),
    /** Values that show it. */
    show: Type.Array(ValuePath, { minItems: 1, maxItems: 8 }),
    /** Tools to ask next, as a client calls them. They may be of other packs. */
    next: Type.Optional(
      Type.Array(Type.String({ pattern: "^[a-z][a-z0-9_-]{0,63}$" }), { minItems: 1, maxItems: 4 }),
    ),
  },
  closed,
);
export type Rule = Static<typeof Rule>;

/**
 * What is wrong with a host, as far as a pack can tell: probes to ask together, and rules that judge
 * their answers. Plain data, which a hub evaluates. It asks nothing but probes of its own pack, so it
 * needs no right that they do not need.
 */
export const Runbook = Type.Object(
  {
    description: Type.String({ minLength: 10, maxLength: 300, pattern: "\\.$" }),
    probes: Type.Record(
      Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }),
      Type.Object(
        {
          probe: ProbeName,
          params: Type.Optional(
            Type.Record(
              Type.String({ pattern: "^[a-z][a-zA-Z0-9]{0,39}$" }),
              Type.Union([Type.String({ maxLength: 200 }), Type.Number(), Type.Boolean()]),
              { additionalProperties: false, maxProperties: 8 },
            ),
          ),
        },
        closed,
      ),
      { additionalProperties: false, minProperties: 1, maxProperties: 20 },
    ),
    rules: Type.Array(Rule, { minItems: 1, maxItems: 60 }),
  },
  closed,
);
export type Runbook = Static<typeof Runbook>;
