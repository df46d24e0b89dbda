import { type Static, Type } from "typebox";
import { SondeError } from "./errors.ts";
import { AgentName } from "./names.ts";
import { buildParser } from "./parse/validator.ts";

/** The key of a tag: lower-case letters, digits and dashes, at most 32. */
export const TagKey = Type.String({ pattern: "^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$" });

/** What the hub's operator says of an agent, such as `role=web`. Key and value are lower case. */
export const Tag = Type.String({
  pattern: "^[a-z]([a-z0-9-]{0,30}[a-z0-9])?=[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$",
  description: "key=value, in lower case",
});
export type Tag = Static<typeof Tag>;

export const parseTag = buildParser(Tag, "tag", "BAD_REQUEST");

/** The most tags of one agent. */
export const MAX_TAGS = 16;

/** Tags of one agent, sorted, with one value for each key. */
export const Tags = Type.Array(Tag, { maxItems: MAX_TAGS });

/** Chooses agents: the one of a name, or all with a tag. No name has an equals sign. */
export const AgentSelector = Type.Union([AgentName, Tag]);
export type AgentSelector = Static<typeof AgentSelector>;

/** What a selector looks at. */
export type Tagged = { readonly name: string; readonly tags: readonly Tag[] };

/** True when the selector is the agent's name or one of its tags, exactly. */
export function selects(selector: AgentSelector, { name, tags }: Tagged): boolean {
  return selector.includes("=") ? tags.includes(selector) : selector === name;
}

/**
 * Returns the tags after a change. A tag that is set replaces the one with its key.
 *
 * @param remove keys of tags that must be there
 * @throws SondeError BAD_REQUEST for a key that is named twice, a removed key that is not there, or
 *   too many tags
 */
export function changeTags(
  tags: readonly Tag[],
  { set, remove }: { set: readonly Tag[]; remove: readonly string[] },
): Tag[] {
  const named = [...set.map(keyOf), ...remove];
  const twice = named.find((key, index) => named.indexOf(key) !== index);
  if (twice !== undefined) {
    throw new SondeError("BAD_REQUEST", `expected each tag's key once, got ${twice} twice`);
  }
  const absent = remove.find((key) => !tags.some((tag) => keyOf(tag) === key));
  if (absent !== undefined) {
    const present = tags.map(keyOf).join(", ") || "none";
    throw new SondeError("BAD_REQUEST", `expected the key of a tag (${present}), got ${absent}`);
  }
  const kept = tags.filter((tag) => !named.includes(keyOf(tag)));
  const changed = [...kept, ...set].toSorted();
  if (changed.length <= MAX_TAGS) return changed;
  throw new SondeError("BAD_REQUEST", `expected at most ${MAX_TAGS} tags, got ${changed.length}`);
}

function keyOf(tag: Tag): string {
  return tag.slice(0, tag.indexOf("="));
}
