import type { ClientRules } from "../../oauth-settings.ts";
import { CLAUDE, CLAUDE_HOSTS, isAllowedDocument, isAllowedRedirect } from "./client-rules.ts";

/** What `oauth.clients` of hub.json would have to name, so that a client that was refused may come. */
export type MissingRule = {
  member: "redirects" | "documentHosts" | "loopback";
  /** A redirect address, or a host; for `loopback` the redirect address that needs it. */
  value: string;
};

/**
 * The rule that a client lacks by its metadata. Null for one that has an allowed redirect address, or
 * none that any rule could allow.
 *
 * @param metadata as a stranger wrote it
 */
export function findMissingRedirect(metadata: unknown, rules: ClientRules): MissingRule | null {
  const redirects = listRedirects(metadata);
  if (redirects.some((redirect) => isAllowedRedirect(redirect, rules))) return null;
  for (const value of redirects) {
    const member = value.startsWith("https:") ? "redirects" : "loopback";
    if (isAllowedRedirect(value, { redirects: [value], loopback: true })) return { member, value };
  }
  return null;
}

/** The rule that a client lacks by its id; null when the rules let it be known by its document. */
export function findMissingHost(clientId: string, rules: ClientRules): MissingRule | null {
  const value = URL.parse(clientId)?.host ?? "";
  if (isAllowedDocument(clientId, rules)) return null;
  if (!isAllowedDocument(clientId, { documentHosts: [value] })) return null;
  return { member: "documentHosts", value };
}

/** True while the rules still do not name it. */
export function isMissing({ member, value }: MissingRule, rules: ClientRules): boolean {
  if (member === "documentHosts") return !(rules.documentHosts ?? CLAUDE_HOSTS).includes(value);
  return !isAllowedRedirect(value, rules);
}

/** The member of `oauth.clients` with what it names now and what is missing, as hub.json has it. */
export function writeRule({ member, value }: MissingRule, rules: ClientRules): string {
  if (member === "loopback") return `"loopback": true`;
  const defaults = member === "redirects" ? CLAUDE : CLAUDE_HOSTS;
  return `"${member}": ${JSON.stringify([...(rules[member] ?? defaults), value])}`;
}

function listRedirects(metadata: unknown): string[] {
  if (typeof metadata !== "object" || metadata === null) return [];
  const listed: unknown = "redirect_uris" in metadata ? metadata.redirect_uris : null;
  if (!Array.isArray(listed)) return [];
  return listed.slice(0, 20).filter((one): one is string => typeof one === "string");
}
