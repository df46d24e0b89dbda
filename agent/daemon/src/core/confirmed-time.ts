/** The time as far as two clocks agree on it: this host's and the hub's. */
export type ConfirmedTime = {
  /** @param hubTime Unix time in ms, in a message that the hub signed now */
  heard(hubTime: number): void;
  /** Unix time in ms that neither clock has passed alone; null before the hub was heard. */
  now(): number | null;
};

/**
 * A clock that somebody sets ahead, at the host or at the hub, must not make the audit log old: what
 * is dropped is gone.
 *
 * @param now Unix time in ms by this host's clock
 * @param clock monotonic ms
 */
export function createConfirmedTime(now: () => number, clock: () => number): ConfirmedTime {
  let offset: number | null = null;
  return {
    heard(hubTime) {
      offset = hubTime - clock();
    },
    now: () => (offset === null ? null : Math.min(now(), offset + clock())),
  };
}
