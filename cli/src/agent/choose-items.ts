import type { PackExplanation } from "@sonde/schemas/agent";
import { SondeError } from "@sonde/schemas/errors";
import { listItems } from "@sonde/sources";
import { askForGrant } from "./describe-pack.ts";

/** How a person says which items of a pack are granted; without any of these, all or none. */
export type ItemChoice = { yes?: boolean; askEach?: boolean; only?: readonly string[] };

/**
 * Finds out which items of a pack are granted.
 *
 * @param confirm asks a person a question; false without a terminal
 * @returns null when the person does not agree, or agrees to no item
 * @throws SondeError BAD_REQUEST for an item that the pack does not ask for
 */
export async function chooseItems(
  shown: PackExplanation,
  { yes = false, askEach = false, only = [] }: ItemChoice,
  confirm: (question: string) => Promise<boolean>,
): Promise<ReadonlySet<string> | null> {
  if (askEach && (yes || only.length > 0)) {
    throw new SondeError("BAD_REQUEST", "expected --ask-each without --yes and without --only");
  }
  if (askEach) return await askAboutEach(shown, confirm);
  const items = only.length === 0 ? everyItem(shown) : requireItems(shown, only);
  const which = only.length === 0 ? "" : ` Only ${only.join(", ")}.`;
  return yes || (await confirm(`${askForGrant(shown)}${which}`)) ? items : null;
}

/** All that a pack asks for. */
export function everyItem(shown: PackExplanation): ReadonlySet<string> {
  return new Set(listItems(shown.requires));
}

async function askAboutEach(
  shown: PackExplanation,
  confirm: (question: string) => Promise<boolean>,
): Promise<ReadonlySet<string> | null> {
  // To go back to an older version is a decision of its own.
  if (shown.reason?.code === "PACK_DOWNGRADE" && !(await confirm(askForGrant(shown)))) return null;
  const items = new Set<string>();
  for (const item of everyItem(shown)) {
    if (await confirm(`Grant ${item} to ${shown.name}?`)) items.add(item);
  }
  return items.size === 0 ? null : items;
}

function requireItems(shown: PackExplanation, only: readonly string[]): ReadonlySet<string> {
  const every = everyItem(shown);
  for (const item of only) {
    if (every.has(item)) continue;
    throw new SondeError(
      "BAD_REQUEST",
      `expected an item of ${shown.name} as sonde agent explain ${shown.name} prints it, got ${JSON.stringify(item)}; nothing was changed`,
    );
  }
  return new Set(only);
}
