import { type SondeError, toSondeError } from "@sonde/schemas/errors";
import type { Digest } from "@sonde/schemas/names";
import type { AgentAnswer } from "./agent-link-port.ts";

/** One agent of a fan-out. */
export type Target = { agentId: string; callId: string; packDigest: Digest };
export type Outcome =
  | { agentId: string; answer: AgentAnswer }
  | { agentId: string; error: SondeError };

/**
 * Yields outcomes in order of arrival, one for each target. Who has not answered when `over`
 * resolves gets that error; what comes afterwards is dropped.
 */
export async function* asTheyCome(
  targets: readonly Target[],
  ask: (target: Target) => Promise<AgentAnswer>,
  over: Promise<SondeError>,
): AsyncIterable<Outcome> {
  const waiting = new Set(targets);
  const arrived: Outcome[] = [];
  let more = Promise.withResolvers<void>();
  const add = (target: Target, outcome: Outcome): void => {
    if (!waiting.delete(target)) return;
    arrived.push(outcome);
    more.resolve();
  };
  for (const target of targets) {
    const { agentId } = target;
    ask(target).then(
      (answer) => add(target, { agentId, answer }),
      (thrown: unknown) => add(target, { agentId, error: toSondeError(thrown) }),
    );
  }
  void over.then((error) => {
    for (const target of waiting) add(target, { agentId: target.agentId, error });
  });
  for (let left = targets.length; left > 0; ) {
    await more.promise;
    more = Promise.withResolvers();
    const now = arrived.splice(0);
    left -= now.length;
    yield* now;
  }
}
