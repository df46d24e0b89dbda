import { type Check, misfit } from "./misfit.ts";

const MAX_QUOTED = 100;
const MAX_LISTED = 16;

export function buildChoice(choices: unknown[]): Check {
  if (choices.some((choice) => typeof choice === "object" && choice !== null)) {
    throw new Error("schema: expected plain values to choose from");
  }
  const allowed = new Set(choices);
  const sentence = `expected ${listChoices(choices)}`;
  return (value) => (allowed.has(value) ? null : misfit(sentence));
}

/** Lists plain values for a person. */
export function listChoices(choices: readonly unknown[]): string {
  const listed = choices.slice(0, MAX_LISTED).map(quote).join(", ");
  const more = choices.length > MAX_LISTED ? ` and ${choices.length - MAX_LISTED} more` : "";
  return choices.length === 1 ? listed : `one of ${listed}${more}`;
}

function quote(value: unknown): string {
  return JSON.stringify(value).slice(0, MAX_QUOTED);
}
