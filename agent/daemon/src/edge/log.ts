/**
 * Writes one JSON line about the agent's own work to stderr. A line never has a
 * parameter, a result or a key.
 */
export type Log = (
  event: string,
  detail?: Record<string, string | number | boolean | null>,
) => void;

const MAX_VALUE = 500;

export function createLog(stream: NodeJS.WritableStream, now: () => number): Log {
  return (event, detail = {}) => {
    const bounded = Object.entries(detail).map(([key, value]) => [
      key,
      typeof value === "string" ? value.slice(0, MAX_VALUE) : value,
    ]);
    const line = { at: new Date(now()).toISOString(), event, ...Object.fromEntries(bounded) };
    stream.write(`${JSON.stringify(line)}\n`);
  };
}
