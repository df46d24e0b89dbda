import { setTimeout as sleep } from "node:timers/promises";
import type { Address } from "./read-servers.ts";

/** So long a server may take to say that it takes writes. */
const ANSWER_MS = 5_000;
/** So much later than the first, another may say so too. */
const OTHERS_MS = 300;

type Primary = { address: Address; timeline: number };

/**
 * Finds the one of several servers that takes writes. All are asked each time: a connection is rarely
 * opened, and what was true before a server was lost is not true after it. The driver's own list of
 * hosts is not used: while none of them answers, it lets every query wait, and connects without a
 * pause.
 *
 * Of two that take writes, one was not told that another was made the primary. Each promotion begins
 * a timeline with a higher number, so the one with the lower number is never used, also when only it
 * answers.
 *
 * @param ask gives the timeline of a server that takes writes; rejects for any other
 * @returns a function that rejects when there is none
 */
export function createPrimaryFinder(
  addresses: readonly Address[],
  ask: (address: Address) => Promise<number>,
): () => Promise<Address> {
  let newest = 0;
  let asking: Promise<Address> | null = null;

  async function find(): Promise<Address> {
    const primaries: Primary[] = [];
    const asked = addresses.map(async (address) => {
      const timeline = await Promise.race([ask(address), giveUp()]);
      if (timeline >= newest) primaries.push({ address, timeline });
      else throw new Error(`expected timeline ${newest} of ${address.host}, got ${timeline}`);
    });
    await Promise.any(asked);
    await Promise.race([Promise.allSettled(asked), sleep(OTHERS_MS)]);
    const [best] = primaries.toSorted((one, other) => other.timeline - one.timeline);
    if (best === undefined) throw new Error("expected a server that takes writes");
    newest = best.timeline;
    return best.address;
  }

  return () => (asking ??= find().finally(() => (asking = null)));
}

async function giveUp(): Promise<never> {
  await sleep(ANSWER_MS, undefined, { ref: false });
  throw new Error(`expected an answer in ${ANSWER_MS} ms`);
}
