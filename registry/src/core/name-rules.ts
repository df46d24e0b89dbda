import { SondeError } from "@sonde/schemas/errors";
import { type PackName, type PublisherName } from "@sonde/schemas/names";

/** Names that would claim to speak for Sonde, an operator or a host's own tools. */
const RESERVED: ReadonlySet<string> = new Set(
  [
    ...["sonde", "sonde-io", "official", "verified", "trusted", "core", "system", "internal"],
    ...["admin", "administrator", "root", "operator", "owner", "staff", "security", "support"],
    ...["registry", "hub", "agent", "runner", "host", "pack", "packs", "probe", "probes"],
    ...["publisher", "publishers", "api", "log", "index", "search", "health", "www", "null"],
    ...["systemd", "docker", "kubernetes", "postgres", "postgresql", "nginx", "linux", "debian"],
    ...["github", "gitlab", "sigstore", "npm", "anthropic", "openai", "mcp", "claude"],
  ].map(normaliseName),
);

/**
 * Converts a name to the form in which names are compared. Look-alikes are equal (`-`, 0 for o, 1
 * or i for l, rn for m, vv for w). A name never has upper case or Unicode. The database keeps this
 * form unique.
 */
export function normaliseName(name: string): string {
  return name
    .replaceAll("-", "")
    .replaceAll("0", "o")
    .replaceAll(/[1i]/g, "l")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w");
}

export function isReserved(publisher: PublisherName): boolean {
  return RESERVED.has(normaliseName(publisher));
}

/** Builds the refusal of a name that can be mistaken for another. */
export function tooLike(name: string, other: string): SondeError {
  return new SondeError("NAME_REFUSED", `expected a name unlike ${other}, got ${name}`);
}

/**
 * Warns of known packs of other publishers whose names are one typing error away, in the whole name
 * or in the part after the slash. One sentence for each, at most 3.
 *
 * @param known the most popular packs first
 */
export function warnOfNearNames(name: PackName, known: readonly PackName[]): string[] {
  const [publisher, pack] = splitName(name);
  return known
    .filter((other) => {
      const [otherPublisher, otherPack] = splitName(other);
      if (otherPublisher === publisher) return false;
      return isNear(name, other) || (pack !== otherPack && isNear(pack, otherPack));
    })
    .slice(0, 3)
    .map((other) => `${name} is easily taken for ${other}, which is another publisher's`);
}

function splitName(name: PackName): [publisher: string, pack: string] {
  const slash = name.indexOf("/");
  return [name.slice(0, slash), name.slice(slash + 1)];
}

/** One typing error, or two in a long name. Very short names are near to everything. */
function isNear(a: string, b: string): boolean {
  const length = Math.min(a.length, b.length);
  if (length < 4) return false;
  return editDistance(a, b) <= (length >= 12 ? 2 : 1);
}

/** Counts letters to add, drop, change or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const differs = a[row - 1] === b[column - 1] ? 0 : 1;
      const swaps =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + differs,
        swaps ? (before[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      );
    }
    before = last;
    last = current;
  }
  return last[b.length] ?? 0;
}
