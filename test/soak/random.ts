/** Numbers that follow from a seed. */
export type Random = {
  /** Both ends are included. */
  integer(least: number, most: number): number;
  pick<T>(from: readonly T[]): T;
  shuffle<T>(from: readonly T[]): T[];
};

/** @param seed an integer. The generator is SplitMix32: the same on every machine, and no secret. */
export function createRandom(seed: number): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
  const integer = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    integer,
    pick<T>(from: readonly T[]) {
      if (from.length === 0) throw new Error("expected something to pick from");
      return from[integer(0, from.length - 1)] as T;
    },
    shuffle<T>(from: readonly T[]) {
      const left = [...from];
      return from.map(() => left.splice(integer(0, left.length - 1), 1)[0] as T);
    },
  };
}
