import { styleText } from "node:util";
import { describeClaudeCommand } from "../claude-command.ts";
import type { DataLayout } from "../data-layout.ts";
import type { Services } from "./start-services.ts";

/**
 * Where a browser on this machine opens the console. By name: browsers keep sessions by the host name,
 * and passkeys work for names only.
 */
export function consoleAddress(hub: string): string {
  const address = new URL("/console/", hub);
  if (address.hostname === "127.0.0.1") address.hostname = "localhost";
  return address.href;
}

/** The end of the first screen: last what a person needs next, the addresses and Claude's command. */
export function describeReady(
  layout: DataLayout,
  {
    urls,
    publicUrls,
    ownerLink,
    warnings,
  }: Pick<Services, "urls" | "publicUrls" | "ownerLink" | "warnings">,
): string {
  return [
    "",
    ...warnings.map((warning) => `Note       ${warning}`),
    `Logs       ${layout.logs}`,
    `Operator   its key, which may do everything, is in ${layout.operatorKey} (mode 0600)`,
    `Client     a key that can only ask is in ${layout.clientKey} (mode 0600)`,
    `Commands   sonde status --data ${layout.root} (sonde link puts sonde on your PATH)`,
    ...(publicUrls === null
      ? []
      : [
          `Others     MCP ${publicUrls.mcp} (CA ${layout.hubCa})`,
          `           registry ${publicUrls.registry} (CA ${layout.registryCa})`,
        ]),
    "Ready. Ctrl-C stops everything.",
    ...(ownerLink === null
      ? []
      : [
          "",
          `Account    ${ownerLink}`,
          "           makes the hub's first account, once, within a day",
        ]),
    "",
    `Console    ${styleText(["bold", "cyan"], consoleAddress(urls.hub))}`,
    `MCP        ${styleText(["bold", "cyan"], urls.mcp)}`,
    `Claude     ${styleText("bold", describeClaudeCommand(urls.mcp, `$(cat ${layout.clientKey})`))}`,
  ].join("\n");
}
