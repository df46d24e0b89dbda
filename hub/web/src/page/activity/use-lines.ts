import { useMemo } from "preact/hooks";
import { useRight } from "../live.ts";
import { buildLines, type Call, isShown, type Line } from "./build-activity.ts";
import { type Asked, findsEnds, type Show } from "./filters.ts";
import { type Search, useFound } from "./use-found.ts";

/** Lines of the log that fit, the newest first, live. What is not of that kind is among them. */
export function useLines(asked: Asked, show: Show): Search & { lines: readonly Line[] } {
  const mayRead = useRight("audit.read");
  const search = useFound(mayRead ? asked : null, (entry) => isShown(entry, show));
  const withEnds = findsEnds(asked);
  const lines = useMemo(() => buildLines(search.entries, withEnds), [search.entries, withEnds]);
  return { ...search, lines };
}

/** The calls among them. */
export function useCalls(asked: Asked): Search & { calls: readonly Call[] } {
  const search = useLines(asked, "calls");
  const calls = search.lines.flatMap((line) => (line.kind === "call" ? [line.call] : []));
  return { ...search, calls };
}
