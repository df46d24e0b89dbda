/** Collects the values of an option that can be repeated. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value];
}
