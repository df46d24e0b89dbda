import type { AuditEntry } from "@sonde/schemas/audit";
import type { Change } from "../../directory/index.ts";

/** The most that is kept for one reader. One that is further behind starts anew. */
export const MAX_UNSENT = { changes: 10_000, entries: 2_000 };

/**
 * What a reader of events was not sent yet. Bounded: a fact that changes often is kept once, since its
 * state is read when it is sent, and a reader that is too far behind has lost its place.
 */
export class Unsent {
  readonly #changes = new Map<string, Change>();
  #entries: AuditEntry[] = [];
  #isLost = false;

  addChange(change: Change): void {
    if (this.#isLost) return;
    this.#changes.set(`${change.kind} ${change.id}`, change);
    if (this.#changes.size > MAX_UNSENT.changes) this.lose();
  }

  addEntries(entries: readonly AuditEntry[]): void {
    if (this.#isLost) return;
    this.#entries.push(...entries);
    if (this.#entries.length > MAX_UNSENT.entries) this.lose();
  }

  /** The reader must read everything again. */
  lose(): void {
    this.#changes.clear();
    this.#entries = [];
    this.#isLost = true;
  }

  /** Takes all of it. Null when the reader lost its place, which it has again afterwards. */
  take(): { changes: Change[]; entries: AuditEntry[] } | null {
    const taken = { changes: [...this.#changes.values()], entries: this.#entries };
    const isLost = this.#isLost;
    this.#changes.clear();
    this.#entries = [];
    this.#isLost = false;
    return isLost ? null : taken;
  }
}
