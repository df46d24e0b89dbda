import { type SondeError, toSondeError } from "@sonde/schemas/errors";
import type { ClientRules } from "../../oauth-settings.ts";
import { isAllowedDocument } from "../core/client-rules.ts";
import { fetchDocument } from "./fetch-document.ts";

const MINUTE_MS = 60_000;
/** However short or long the document's server says that it may be kept. */
const FRESH_MS = { least: 5 * MINUTE_MS, most: 60 * MINUTE_MS };
/** While its server is down, a client goes on with the last document. */
const STALE_MS = 24 * 60 * MINUTE_MS;
/** After a failure nobody is asked again. */
const FAILED_MS = MINUTE_MS / 2;
const MAX_KEPT = 100;

type Kept = { document: unknown; freshUntil: number; staleUntil: number };
type Failed = { error: SondeError; until: number };

/**
 * Metadata documents of clients, by their address, which is the client id. Fetched when needed, one
 * fetch at a time for each address. Keeps a hundred in memory.
 */
export type ClientDocuments = {
  /**
   * Null for an address that the rules do not name: nothing is fetched then.
   *
   * @throws SondeError READ_FAILED
   */
  find(clientId: string): Promise<unknown>;
};

export function createClientDocuments(
  rules: () => ClientRules,
  nowMs: () => number,
): ClientDocuments {
  const kept = new Map<string, Kept>();
  const failed = new Map<string, Failed>();
  const fetching = new Map<string, Promise<unknown>>();

  async function refresh(clientId: string): Promise<unknown> {
    try {
      const networks = rules().documentNetworks ?? [];
      const { document, maxAgeMs } = await fetchDocument(clientId, networks);
      const age = Math.min(Math.max(maxAgeMs ?? 0, FRESH_MS.least), FRESH_MS.most);
      const at = nowMs();
      put(kept, clientId, { document, freshUntil: at + age, staleUntil: at + STALE_MS });
      return document;
    } catch (thrown) {
      const error = toSondeError(thrown);
      put(failed, clientId, { error, until: nowMs() + FAILED_MS });
      const last = kept.get(clientId);
      if (last !== undefined && last.staleUntil > nowMs()) return last.document;
      throw error;
    }
  }

  return {
    async find(clientId) {
      if (!isAllowedDocument(clientId, rules())) return null;
      const known = kept.get(clientId);
      if (known !== undefined && known.freshUntil > nowMs()) return known.document;
      const failure = failed.get(clientId);
      if (failure !== undefined && failure.until > nowMs()) {
        if (known !== undefined && known.staleUntil > nowMs()) return known.document;
        throw failure.error;
      }
      const running = fetching.get(clientId) ?? refresh(clientId);
      fetching.set(clientId, running);
      return await running.finally(() => fetching.delete(clientId));
    },
  };
}

/** The oldest goes when there are too many. */
function put<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_KEPT && oldest !== undefined) map.delete(oldest);
}
