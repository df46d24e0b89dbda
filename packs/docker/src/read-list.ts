import { parseJson } from "@sonde/pack-sdk/parse";

type Answer = { status: number; body: string; truncated: boolean };

/**
 * The engine's answer as a list.
 *
 * @param what in words, for the error
 * @throws Error for a cut list, and for an answer that is none
 */
export function readList({ status, body, truncated }: Answer, what: string): unknown[] {
  if (truncated) throw new Error(`expected a shorter list of ${what}, got a cut one`);
  const parsed = parseJson(body, `the container engine with status ${status}`);
  if (status !== 200 || !Array.isArray(parsed)) {
    throw new Error(`expected a list from the container engine, got status ${status}`);
  }
  return parsed as unknown[];
}
