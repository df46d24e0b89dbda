/** A text that was scrubbed, and whether the result is right. */
export type Tried = { family: string; text: string; isRight: boolean };

/**
 * Counts what is right, by family, and prints what is wrong, so that a change of a rule shows what
 * it changed.
 *
 * @param isShown false for texts that only measure, since who reads them makes rules for them
 * @returns the share of all texts that is right, and the lowest share of a family, from 0 to 1
 */
export function tally(
  title: string,
  tried: Tried[],
  isShown = true,
): { whole: number; lowest: number } {
  const groups = [...Map.groupBy(tried, ({ family }) => family)].map(([family, own]) => ({
    family,
    right: countRight(own),
    all: own.length,
  }));
  const families = groups.map(({ family, right, all }) => `${family} ${right}/${all}`);
  const wrong = tried.filter(({ isRight }) => isShown && !isRight);
  const lines = wrong.map(({ family, text }) => `  ${family}: ${JSON.stringify(text)}`);
  const right = countRight(tried);
  console.log([`${title} ${right}/${tried.length}: ${families.join(", ")}`, ...lines].join("\n"));
  const lowest = Math.min(...groups.map((group) => group.right / group.all));
  return { whole: right / tried.length, lowest };
}

function countRight(tried: Tried[]): number {
  return tried.filter(({ isRight }) => isRight).length;
}
