import { connect, type Socket } from "node:net";
import type { TlsData } from "@sonde/schemas/reads";
import { msSince } from "./ms-since.ts";
import { errnoOf } from "./read-failure.ts";

/** What became of one connection; `socket` is open, and the caller's to close. */
export type Connected = TlsData["addresses"][number] & { socket: Socket | null };

/** Connects to one address. Never throws. */
export function connectTo(
  { address, port }: { address: string; port: number },
  ended: AbortSignal,
): Promise<Connected> {
  const started = performance.now();
  const socket = connect({ host: address, port });
  return new Promise((resolve) => {
    const settle = (outcome: Connected["outcome"]): void => {
      ended.removeEventListener("abort", onEnd);
      if (outcome !== "connected") socket.destroy();
      const ms = msSince(started);
      resolve({ address, outcome, ms, socket: outcome === "connected" ? socket : null });
    };
    const onEnd = (): void => settle("timeout");
    socket.once("connect", () => settle("connected"));
    // For good: a connection may break before anybody else listens.
    socket.on("error", (error) => settle(outcomeOf(errnoOf(error))));
    if (ended.aborted) onEnd();
    ended.addEventListener("abort", onEnd, { once: true });
  });
}

function outcomeOf(errno: string | null): Connected["outcome"] {
  if (errno === "ECONNREFUSED") return "connection-refused";
  return errno === "ETIMEDOUT" ? "timeout" : "unreachable";
}
