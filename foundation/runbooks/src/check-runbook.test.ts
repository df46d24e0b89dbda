import { SondeError } from "@sonde/schemas/errors";
import type { ProbeManifest, Rule, ValueSchema } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkRunbook } from "./check-runbook.ts";

const object = (properties: Record<string, ValueSchema>, required: string[] = []) => ({
  ...{ type: "object" as const, properties, required },
  additionalProperties: false as const,
});
const usage: ProbeManifest = {
  description: "How full it is.",
  capability: "observe",
  params: object({ limit: { type: "integer", maximum: 9 } }),
  result: object({
    used: { type: "number" },
    name: { type: "string" },
    sure: { type: "boolean" },
    deep: { anyOf: [object({ load: { type: "number" } }), { type: "null" }] },
    names: { type: "array", items: { type: "string" } },
    rows: { type: "array", items: object({ used: { type: "number" } }) },
    byName: { type: "object", additionalProperties: { type: "number" }, maxProperties: 9 },
  }),
  reads: {},
};
const rule: Rule = {
  ...{ finding: "It is full.", severity: "warning", of: "it" },
  ...{ when: [{ value: "used", atLeast: 90 }], show: ["used"] },
};

type Change = { probe?: Partial<ProbeManifest>; asked?: object; rule?: object; probes?: object };

function verdict({ probe = {}, asked = {}, rule: changed = {}, probes = {} }: Change): string {
  const manifest = {
    probes: { usage: { ...usage, ...probe }, ...probes },
    runbook: {
      description: "A runbook for this test.",
      probes: { it: { probe: "usage", ...asked } },
      rules: [{ ...rule, ...changed }],
    },
  };
  try {
    checkRunbook(manifest);
    return "accepted";
  } catch (error) {
    return error instanceof SondeError ? `${error.code} ${error.message}` : String(error);
  }
}

test.each<[string, Change]>([
  ["a bound on a number", {}],
  ["parameters that the probe takes", { asked: { params: { limit: 9 } } }],
  ["a value beneath one that may be null", { rule: { when: [{ value: "deep.load", below: 1 }] } }],
  ["the length of a list", { rule: { when: [{ value: "names", below: 1 }], show: ["names"] } }],
  ["rows of a list", { rule: { each: "rows", when: [] } }],
])("%s is accepted", (_what, change) => {
  expect(verdict(change)).toBe("accepted");
});

test.each<[string, Change, string]>([
  ["a probe of another pack", { asked: { probe: "others" } }, "a probe of the pack"],
  ["a probe that may do more than observe", { probe: { capability: "interact" } }, "observes"],
  ["a parameter that the probe does not take", { asked: { params: { limit: 10 } } }, "params"],
  ["a probe that is not judged", { rule: { of: "nothing" } }, "a rule of it"],
  ["a value that there is not", { rule: { when: [{ value: "free", below: 1 }] } }, "free"],
  ["a value by a name of the host's", { rule: { when: [{ value: "byName.x", below: 1 }] } }, "x"],
  ["a bound on a text", { rule: { when: [{ value: "name", below: 1 }] } }, "a number or list"],
  ["a text from a number", { rule: { when: [{ value: "used", oneOf: ["1"] }] } }, "a text"],
  ["a boolean from a text", { rule: { when: [{ value: "name", is: true }] } }, "a boolean"],
  ["no bound", { rule: { when: [{ value: "used" }] } }, "a bound"],
  ["no condition", { rule: { when: [] } }, "a condition"],
  ["rows of what is no list", { rule: { each: "deep", when: [] } }, "a list of objects"],
  ["rows that are texts", { rule: { each: "names", when: [] } }, "a list of objects"],
  ["a value of the answer in a row", { rule: { each: "rows", show: ["name"] } }, "show name"],
  ["an object to show", { rule: { show: ["deep"] } }, "a plain value"],
  ["rows to show", { rule: { show: ["rows"] } }, "a plain value"],
  ["a probe of its own name", { probes: { diagnose: usage } }, "name of the runbook"],
])("%s is refused", (_what, change, words) => {
  expect(verdict(change)).toMatch(/^MANIFEST_INVALID runbook: /);
  expect(verdict(change)).toContain(words);
});

test("a pack needs no runbook", () => {
  expect(() => checkRunbook({ probes: { usage } })).not.toThrow();
});
