import { SondeError } from "@sonde/schemas/errors";
import { type Template } from "@sonde/schemas/manifest";

/** Gives the text of a hole. For an explanation it gives `<name>` instead of a value. */
export type HoleText = (hole: string) => string;

/** Looks values up; a hole without one is a defect of the caller and nothing is read. */
export function filledWith(values: Record<string, string>): HoleText {
  return (hole) => {
    const value = Object.hasOwn(values, hole) ? values[hole] : undefined;
    if (value === undefined) throw new SondeError("PARAMS_INVALID", `${hole}: expected a value`);
    return value;
  };
}

/** Fixed parts and hole texts, concatenated. */
export function renderTemplate(template: Template, textOf: HoleText): string {
  if (typeof template === "string") return template;
  return template.map((part) => (typeof part === "string" ? part : textOf(part.hole))).join("");
}
