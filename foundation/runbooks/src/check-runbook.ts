import { SondeError } from "@sonde/schemas/errors";
import type {
  Condition,
  Manifest,
  ProbeManifest,
  Rule,
  ValueSchema,
} from "@sonde/schemas/manifest";
import { RUNBOOK_NAME } from "@sonde/schemas/names";
import { buildValueChecker } from "@sonde/schemas/parse";
import { schemaAt } from "./value-path.ts";

/**
 * Checks a pack's runbook beyond its schema: it asks only probes of the pack that observe, with
 * parameters that they take, and each rule reads values that the answers can have.
 *
 * @throws SondeError MANIFEST_INVALID
 */
export function checkRunbook({ probes, runbook }: Pick<Manifest, "probes" | "runbook">): void {
  if (runbook === undefined) return;
  const known = new Map(Object.entries(probes));
  if (known.has(RUNBOOK_NAME)) {
    throw refusal(`expected no probe ${RUNBOOK_NAME}, which is the name of the runbook, got one`);
  }
  const asked = new Map<string, ProbeManifest>();
  for (const [name, { probe, params = {} }] of Object.entries(runbook.probes)) {
    const manifest = known.get(probe);
    if (manifest === undefined)
      throw refusal(`${name}: expected a probe of the pack, got ${probe}`);
    // A runbook is run by who only looks.
    if (manifest.capability !== "observe") {
      throw refusal(
        `${name}: expected a probe that observes, got ${probe}, which may ${manifest.capability}`,
      );
    }
    const misfit = buildValueChecker(manifest.params)(params);
    if (misfit !== null) throw refusal(`${name}: params: ${misfit}`);
    asked.set(name, manifest);
  }
  const judged = new Set(runbook.rules.map(({ of }) => of));
  const idle = [...asked.keys()].find((name) => !judged.has(name));
  if (idle !== undefined) throw refusal(`expected a rule of ${idle}, got none`);
  runbook.rules.forEach((rule, index) => checkRule(rule, asked.get(rule.of), `rule ${index + 1}`));
}

function checkRule(rule: Rule, probe: ProbeManifest | undefined, where: string): void {
  if (probe === undefined)
    throw refusal(`${where}: expected a probe of the runbook, got ${rule.of}`);
  let row: ValueSchema = probe.result;
  if (rule.each !== undefined) {
    const list = schemaAt(probe.result, rule.each);
    if (list === null || !("items" in list) || !("properties" in list.items)) {
      throw refusal(`${where}: expected a list of objects in the answer, got ${rule.each}`);
    }
    row = list.items;
  } else if (rule.when.length === 0) {
    throw refusal(`${where}: expected a condition, or each row of a list, got neither`);
  }
  for (const condition of rule.when) {
    for (const [path, kinds] of needsOf(condition)) {
      const kind = kindOf(schemaAt(row, path));
      if (kind !== null && kinds.includes(kind)) continue;
      throw refusal(
        `${where}: ${path}: expected a ${kinds.join(" or ")}, got ${kind ?? "nothing"}`,
      );
    }
    if (!isBounded(condition))
      throw refusal(`${where}: ${condition.value}: expected a bound, got none`);
  }
  for (const path of rule.show) {
    const shown = schemaAt(row, path);
    const kind = kindOf(shown !== null && "items" in shown ? shown.items : shown);
    if (kind === null || kind === "list" || kind === "object") {
      throw refusal(`${where}: show ${path}: expected a plain value, got ${kind ?? "nothing"}`);
    }
  }
}

type Kind = "number" | "text" | "boolean" | "list" | "object";

function needsOf(condition: Condition): [path: string, kinds: Kind[]][] {
  if ("is" in condition) return [[condition.value, ["boolean"]]];
  if ("oneOf" in condition || "contains" in condition) return [[condition.value, ["text"]]];
  const { value, per } = condition;
  const measured: Kind[] = ["number", "list"];
  return per === undefined
    ? [[value, measured]]
    : [
        [value, measured],
        [per, measured],
      ];
}

function isBounded(condition: Condition): boolean {
  const isMeasure = !("is" in condition || "oneOf" in condition || "contains" in condition);
  return !isMeasure || condition.atLeast !== undefined || condition.below !== undefined;
}

function kindOf(schema: ValueSchema | null): Kind | null {
  if (schema === null) return null;
  if ("anyOf" in schema) return kindOf(schema.anyOf[0]);
  if (schema.type === "integer" || schema.type === "number") return "number";
  if (schema.type === "string") return "text";
  return schema.type === "array" ? "list" : schema.type;
}

function refusal(sentence: string): SondeError {
  return new SondeError("MANIFEST_INVALID", `runbook: ${sentence}`);
}
