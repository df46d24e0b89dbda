import type { Family } from "./metrics.ts";

/** Of the text format 0.0.4 of Prometheus. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Renders families in the text format of Prometheus. A family without a sample is left out. */
export function renderMetrics(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .flatMap(({ name, help, type, samples }) => [
      `# HELP ${name} ${help.replace(/[\\\n]/g, escape)}`,
      `# TYPE ${name} ${type}`,
      ...samples.map(
        ({ suffix = "", labels, value }) => `${name}${suffix}${renderLabels(labels)} ${value}`,
      ),
    ])
    .map((line) => `${line}\n`)
    .join("");
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels);
  if (pairs.length === 0) return "";
  return `{${pairs.map(([label, value]) => `${label}="${value.replace(/[\\\n"]/g, escape)}"`).join(",")}}`;
}

/** Whatever is in a value, it begins no line and ends no value. */
function escape(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}
