import { useEffect, useMemo, useState } from "preact/hooks";
import type { Refusal } from "../api.ts";
import { readEntries, useLive } from "../live.ts";
import { buildLines, type Call, type Line } from "./build-activity.ts";

/** The lines of the newest part of the audit log, live. */
export function useLines(): {
  lines: readonly Line[] | null;
  refusal: Refusal | null;
  again: () => void;
} {
  const entries = useLive((live) => live.entries);
  const isOpen = useLive((live) => live.connection === "open");
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const again = () => {
    void readEntries().then(setRefusal);
  };
  useEffect(() => {
    if (isOpen) again();
  }, [isOpen]);
  const lines = useMemo(() => (entries === null ? null : buildLines(entries)), [entries]);
  return { lines, refusal, again };
}

/** The calls among them. */
export function useCalls(): { calls: readonly Call[] | null; refusal: Refusal | null } {
  const { lines, refusal } = useLines();
  const calls = lines?.flatMap((line) => (line.kind === "call" ? [line.call] : [])) ?? null;
  return { calls, refusal };
}
