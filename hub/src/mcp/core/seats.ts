import type { Principal } from "../../identity/index.ts";

type Entry<Seat> = { seat: Seat; principal: Principal; users: number };

/**
 * One seat for each principal. It stays while a client of the principal uses it. Of those that
 * nobody uses only the latest stay, so that a hub does not grow with each key that ever asked.
 */
export type Seats<Seat> = {
  /** Each taken seat is given back once. A principal with other rights gets a new seat. */
  take(principal: Principal): { seat: Seat; giveBack: () => void };
  all(): Iterable<Seat>;
  /** Ends the principal's seat, also while it is used. */
  end(principalId: string): Promise<void>;
  endAll(): Promise<void>;
};

export function createSeats<Seat>(options: {
  maxIdle: number;
  build: (principal: Principal) => Seat;
  end: (seat: Seat) => Promise<void>;
  report: (error: Error) => void;
}): Seats<Seat> {
  // In the order of their last use: a Map iterates in insertion order.
  const entries = new Map<string, Entry<Seat>>();

  async function end(principalId: string): Promise<void> {
    const entry = entries.get(principalId);
    entries.delete(principalId);
    if (entry !== undefined) await options.end(entry.seat);
  }

  function endIdle(): void {
    const idle = [...entries].filter(([, { users }]) => users === 0);
    for (const [id] of idle.slice(0, Math.max(0, idle.length - options.maxIdle))) {
      end(id).catch(options.report);
    }
  }

  return {
    take(principal) {
      const { id } = principal.subject;
      let entry = entries.get(id);
      if (entry !== undefined && entry.principal.policyHash !== principal.policyHash) {
        end(id).catch(options.report);
        entry = undefined;
      }
      entry ??= { seat: options.build(principal), principal, users: 0 };
      entry.users += 1;
      entries.delete(id);
      entries.set(id, entry);
      const taken = entry;
      return {
        seat: taken.seat,
        giveBack() {
          taken.users -= 1;
          endIdle();
        },
      };
    },
    all: () => [...entries.values()].map(({ seat }) => seat),
    end,
    async endAll() {
      for (const id of [...entries.keys()]) await end(id);
    },
  };
}
