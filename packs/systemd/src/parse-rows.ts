import { items, type Members, members, parseJson } from "@sonde/pack-sdk/parse";

/**
 * Parses a list that `systemctl --output=json` prints. A row that a cap cut short is left out.
 *
 * @param first the member with which each row begins
 */
export function parseRows(look: { stdout: string; truncated: boolean }, first: string): Members[] {
  const { stdout, truncated } = look;
  // Within a string its quotes would stand behind backslashes.
  const end = Math.max(0, stdout.lastIndexOf(`},{"${first}":`));
  const text = truncated ? (end === 0 ? "[]" : `${stdout.slice(0, end)}}]`) : stdout;
  return items(parseJson(text, "systemctl")).map(members);
}
