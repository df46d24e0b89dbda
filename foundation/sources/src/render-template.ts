import { SondeError } from "@sonde/schemas/errors";
import { type Template } from "@sonde/schemas/manifest";

/** Returns the text of a hole, or `<name>` when a source is only described. */
export type HoleText = (hole: string) => string;

/** Looks up hole values. A missing value is a bug of the caller: it throws, and nothing is read. */
export function filledWith(values: Record<string, string>): HoleText {
  return (hole) => {
    const value = Object.hasOwn(values, hole) ? values[hole] : undefined;
    if (value === undefined) throw new SondeError("PARAMS_INVALID", `${hole}: expected a value`);
    return value;
  };
}

/** Concatenates the fixed parts and the texts of the holes. */
export function renderTemplate(template: Template, textOf: HoleText): string {
  if (typeof template === "string") return template;
  return template.map((part) => (typeof part === "string" ? part : textOf(part.hole))).join("");
}
