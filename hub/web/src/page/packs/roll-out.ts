import type { AgentDetail, RollOut, RollOutState } from "@sonde/schemas/hub";
import { ask } from "../api.ts";
import { untilOther } from "../live.ts";

/** How long hosts may take to fetch and verify a version, as `sonde packs install` has it. */
const SETTLE_MS = 120_000;
/** Also without a sign of the hosts it is looked at again, as another hub may know more. */
const LOOK_EVERY_MS = 3_000;

/** `silent`: hosts that were given it said nothing of it in time. `left`: nobody looks any more. */
export type RollOutEnd = "done" | "stopped" | "silent" | "left";

/**
 * Repeats the step of a roll-out until every host has the version or one does not take it. Each step
 * is one request, and the hub decides what it does. So who comes back later goes on by the same
 * requests, and nothing is given twice.
 *
 * @param show is told where it is after each step
 * @throws Refusal, after which nothing more is given
 */
export async function rollOut(
  wanted: RollOut,
  signal: AbortSignal,
  show: (state: RollOutState) => void,
): Promise<RollOutEnd> {
  let { version } = wanted;
  let before = "";
  let since = performance.now();
  for (;;) {
    const state = await ask<RollOutState>("POST", "/roll-outs", { ...wanted, version });
    if (signal.aborted) return "left";
    show(state);
    ({ version } = state);
    if (state.stopped.length > 0) return "stopped";
    if (state.waiting.length === 0 && state.left.length === 0) return "done";
    const now = [...state.waiting, "", ...state.left].join(" ");
    if (now !== before) since = performance.now();
    else if (performance.now() - since > SETTLE_MS) return "silent";
    // Those of this step have decided: the next ones get it at once.
    if (state.waiting.length > 0 || now === before) await untilNews(wanted.pack, state);
    if (signal.aborted) return "left";
    before = now;
  }
}

/** Waits until a host that was given the version reports another state of it. */
async function untilNews(pack: string, { version, waiting }: RollOutState): Promise<void> {
  await untilOther(
    ({ agents }) =>
      (agents ?? [])
        .filter(({ name }) => waiting.includes(name))
        .map((agent) => `${agent.name} ${agent.online} ${stateOn(agent, pack, version)?.state}`)
        .join(),
    LOOK_EVERY_MS,
  );
}

/** What a host reports of a version. */
export function stateOn(
  { packs }: AgentDetail,
  pack: string,
  version: string,
): AgentDetail["packs"][number] | undefined {
  return packs.find((one) => one.name === pack && one.version === version);
}
