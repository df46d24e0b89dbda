import { listChoices } from "./build-choice.ts";
import { beneath, type Check, isOfType, type Misfit, misfit, type Schema } from "./misfit.ts";

/**
 * A member by whose plain value an author says which alternative is meant, such as `kind`.
 * For each alternative: its values; null where any value fits; absent where it has no such member.
 */
type Discriminator = { name: string; values: readonly (ReadonlySet<unknown> | null | undefined)[] };

const MAX_SENTENCES = 3;

/**
 * Builds the check of a union. When no alternative fits, it reports the misfit of the one that was
 * meant: by its discriminator, else by its type, else the one that went furthest.
 *
 * @param parts the alternatives
 * @param checks the check of each
 */
export function buildAlternatives(parts: readonly Schema[], checks: readonly Check[]): Check {
  const choices = plainValuesOf({ anyOf: parts });
  const discriminator = findDiscriminator(parts);
  return (value) => {
    const misfits: Misfit[] = [];
    for (const check of checks) {
      const found = check(value);
      if (found === null) return null;
      misfits.push(found);
    }
    if (choices !== null) return misfit(`expected ${listChoices(choices)}`);
    const ofType = indexesOf(
      parts,
      ({ type }) => type === undefined || isOfType(value, type as string),
    );
    const candidates = ofType.length > 0 ? ofType : indexesOf(parts, () => true);
    if (discriminator === null || !isOfType(value, "object")) return closest(misfits, candidates);
    return discriminate(discriminator, value as Schema, misfits, candidates);
  };
}

/** The values of a schema that allows only plain values, else null. */
function plainValuesOf(part: Schema): unknown[] | null {
  if ("const" in part) return [part["const"]];
  if ("enum" in part) return part["enum"] as unknown[];
  if (!("anyOf" in part)) return null;
  const inner = (part["anyOf"] as Schema[]).map(plainValuesOf);
  return inner.every((values) => values !== null) ? inner.flat() : null;
}

function findDiscriminator(parts: readonly Schema[]): Discriminator | null {
  const members = parts.map(
    (part) => new Map(Object.entries((part["properties"] ?? {}) as Schema)),
  );
  let best: Discriminator | null = null;
  let most = 1;
  for (const name of new Set(members.flatMap((named) => [...named.keys()]))) {
    const values = members.map((named) => {
      const part = named.get(name);
      if (part === undefined) return undefined;
      const plain = plainValuesOf(part as Schema);
      return plain === null ? null : new Set(plain);
    });
    // What every alternative that has the member allows alike tells nothing apart.
    const distinct = new Set(values.flatMap((set) => (set ? [[...set].join()] : [])));
    if (distinct.size > most) [best, most] = [{ name, values }, distinct.size];
  }
  return best;
}

function discriminate(
  { name, values }: Discriminator,
  value: Schema,
  misfits: readonly Misfit[],
  candidates: readonly number[],
): Misfit {
  const said = Object.hasOwn(value, name) ? value[name] : undefined;
  const meant = candidates.filter((index) => {
    const allowed = values[index];
    return said === undefined ? allowed === undefined : allowed === null || allowed?.has(said);
  });
  if (meant.length > 0) return closest(misfits, meant);
  const known = listChoices(values.flatMap((allowed) => (allowed ? [...allowed] : [])));
  return said === undefined
    ? misfit(`expected a member ${name}: ${known}`)
    : beneath(name, misfit(`expected ${known}`));
}

/** The misfit that lies deepest; of several at the same depth, what each expects. */
function closest(misfits: readonly Misfit[], candidates: readonly number[]): Misfit {
  const found = misfits.filter((_, index) => candidates.includes(index));
  const depth = Math.max(...found.map(({ path }) => path.length));
  const deepest = found.filter(({ path }) => path.length === depth);
  const [first = misfit("expected one of the alternatives"), ...others] = deepest;
  const alike = others.filter(({ path }) => path.join("/") === first.path.join("/"));
  const sentences = [...new Set([first, ...alike].map(({ sentence }) => sentence))];
  return { ...first, sentence: sentences.slice(0, MAX_SENTENCES).join(", or ") };
}

function indexesOf(parts: readonly Schema[], fits: (part: Schema) => boolean): number[] {
  return parts.flatMap((part, index) => (fits(part) ? [index] : []));
}
