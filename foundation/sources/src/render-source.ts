import { SondeError } from "@sonde/schemas/errors";
import { type ExecSource, type HttpSource, type Template } from "@sonde/schemas/manifest";

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

/** The arguments after the command; a hole fills exactly one of them. */
export function renderArgv(source: ExecSource, textOf: HoleText): string[] {
  return source.argv.map((part) => (typeof part === "string" ? part : textOf(part.hole)));
}

/**
 * Path and query of a GET. Hole values are percent-encoded, so that a value
 * never starts another path segment or parameter.
 */
export function renderRequestTarget(source: HttpSource, textOf: HoleText): string {
  const encoded: HoleText = (hole) => encodeURIComponent(textOf(hole));
  const path = renderTemplate(source.path, encoded);
  const query = Object.entries(source.query ?? {}).map(([name, value]) => {
    const text = typeof value === "string" ? encodeURIComponent(value) : encoded(value.hole);
    return `${name}=${text}`;
  });
  return query.length === 0 ? path : `${path}?${query.join("&")}`;
}
