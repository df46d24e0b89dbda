/** Wakes one waiter. Rings while nobody waits are one ring for the next. */
export type Bell = {
  ring(): void;
  /** Resolves at a ring, with `until`, or at once after a ring that nobody heard. */
  heard(until: Promise<void>): Promise<void>;
};

export function createBell(): Bell {
  let next = Promise.withResolvers<void>();
  return {
    ring: () => next.resolve(),
    async heard(until) {
      await Promise.race([next.promise, until]);
      // Never the same promise for long: each wait leaves something behind in it.
      next = Promise.withResolvers();
    },
  };
}
