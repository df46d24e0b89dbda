import type { ToolGlob } from "@sonde/schemas/policy";

/** The last part of a glob that stands for one part or more. */
const REST = "**";

/** What a glob chooses. All of it is anchored: no glob chooses by a beginning or an end alone. */
export type CompiledGlob = {
  /** True when it chooses this probe. Takes time linear in the id's length. */
  fits: (probe: string) => boolean;
  /** True when it may choose a probe of the pack, as ids of probes name it. */
  meets: (pack: string) => boolean;
  /** True when it chooses every probe of the pack. */
  covers: (pack: string) => boolean;
};

/** Compiles a glob of the closed language of `ToolGlob`. */
export function compileGlob(glob: ToolGlob): CompiledGlob {
  const { publisher, parts } = split(glob);
  const hasRest = parts.at(-1) === REST;
  const fixed = (hasRest ? parts.slice(0, -1) : parts).map(compilePart);
  const ofPublisher = publisher === null ? null : compilePart(publisher);
  const [ofPack] = fixed;

  function fitsPublisher(named: string | null): boolean {
    if (ofPublisher === null || named === null) return ofPublisher === null && named === null;
    return ofPublisher(named);
  }
  function meets(pack: string): boolean {
    const of = split(pack);
    return fitsPublisher(of.publisher) && (ofPack?.(of.parts[0] ?? "") ?? false);
  }
  return {
    fits(probe) {
      const of = split(probe);
      if (!fitsPublisher(of.publisher)) return false;
      const { length } = of.parts;
      if (hasRest ? length <= fixed.length : length !== fixed.length) return false;
      return fixed.every((fits, index) => fits(of.parts[index] ?? ""));
    },
    meets,
    covers: (pack) => hasRest && fixed.length === 1 && meets(pack),
  };
}

function split(text: string): { publisher: string | null; parts: string[] } {
  const slash = text.indexOf("/");
  return {
    publisher: slash === -1 ? null : text.slice(0, slash),
    parts: text.slice(slash + 1).split("."),
  };
}

/** A part with stars fits when its pieces follow each other, the first and the last at the ends. */
function compilePart(part: string): (text: string) => boolean {
  const [first = "", ...pieces] = part.split("*");
  const last = pieces.pop();
  if (last === undefined) return (text) => text === first;
  return (text) => {
    if (text.length < first.length + last.length) return false;
    if (!text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    for (const piece of pieces) {
      const found = text.indexOf(piece, at);
      if (found === -1 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}
