import type { Digest } from "@sonde/schemas/names";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import type { Catalog } from "./catalog.ts";
import { describeRunbook } from "./tool-definition.ts";

/** What a model reads of a tool; of a runbook its sentences are the result. */
export type ToolWords = { title: string; description: string; params: unknown; result: unknown };

/** A tool whose words are not those that a person approved. */
export type HeldTool = {
  pack: HubPack;
  probe: string;
  definitionSha256: Digest;
  /** Null when this hub does not have the approved words any more. */
  approved: ToolWords | null;
  stated: ToolWords;
};

/** A pin, and the archive whose words a person read when they approved. */
type ReadPin = { probe: string; definitionSha256: Digest; packDigest: Digest };

/** Lists the tools of the packs that agents should have, as far as their words are not approved. */
export function listHeldTools(
  catalog: Pick<Catalog, "wordsOf" | "definitionsOf">,
  agents: readonly Pick<KnownAgent, "desired">[],
  packs: ReadonlyMap<Digest, HubPack>,
  pins: readonly ReadPin[],
): HeldTool[] {
  const pinned = new Map(pins.map((pin) => [pin.probe, pin]));
  const inUse = new Set(agents.flatMap(({ desired }) => desired.packs.map(({ digest }) => digest)));
  return [...inUse].flatMap((digest) => {
    const pack = packs.get(digest);
    if (pack === undefined) return [];
    return catalog.wordsOf(pack).flatMap(({ probe, definitionSha256 }): HeldTool[] => {
      const pin = pinned.get(probe);
      if (pin?.definitionSha256 === definitionSha256) return [];
      const stated = readWords(catalog, pack, probe);
      const before = packs.get(pin?.packDigest ?? "");
      const approved = before === undefined ? null : readWords(catalog, before, probe);
      return stated === null ? [] : [{ pack, probe, definitionSha256, approved, stated }];
    });
  });
}

function readWords(
  catalog: Pick<Catalog, "definitionsOf">,
  pack: HubPack,
  probe: string,
): ToolWords | null {
  const found = catalog.definitionsOf(pack).find((definition) => definition.probe === probe);
  if (found !== undefined) {
    const { description, params, result } = found.manifest;
    return { title: found.tool.annotations.title, description, params, result };
  }
  if (describeRunbook(pack)?.probe !== probe) return null;
  const { runbook } = pack.manifest;
  return { title: probe, description: "The runbook of the pack.", params: null, result: runbook };
}
