import type { ApiKeySummary } from "@sonde/schemas/hub";
import { useEffect, useMemo, useState } from "preact/hooks";
import { askAll, type Refusal } from "../api.ts";
import { readEntries, useLive, useRight } from "../live.ts";
import { useRead } from "../parts.tsx";
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

/** Names of those who ask, as far as the person may know them. */
export function useNames(): (principal: string) => string {
  const mayRead = useRight("keys.read");
  const version = useLive((live) => live.versions.keys);
  const { value } = useRead(
    async () => (mayRead ? await askAll<ApiKeySummary>("/api-keys", "keys") : []),
    [version, mayRead],
  );
  return useMemo(() => {
    const names = new Map(value?.map(({ id, name }) => [`key:${id}`, name]));
    return (principal: string) => names.get(principal) ?? shorten(principal);
  }, [value]);
}

/** `key:0f3c2a1b`: enough to tell one from another. */
function shorten(principal: string): string {
  return principal.replace(/^([a-z]+:[0-9a-f]{8})-[0-9a-f-]{27}$/, "$1");
}
