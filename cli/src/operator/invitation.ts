import { basename } from "node:path";
import type { CreatedToken } from "@sonde/schemas/hub";
import { RELEASE } from "@sonde/schemas/release";
import { isLoopbackName } from "../start/public-names.ts";

/** What an administrator needs to enrol one host. */
export type Invitation = {
  agent: string;
  tags: string[];
  /** True when the name is enrolled already: the host that enrols takes its place. */
  replaces: boolean;
  /** null when it is in `tokenFile`. */
  token: string | null;
  tokenFile: string | null;
  expiresAt: string;
  /** host:port of the hub's enrol listener. */
  hub: string;
  /** What to type on the host, in this order. */
  commands: string[];
  /** Why no other host can use it; null when one can. */
  warning: string | null;
};

/** The file beside the package, as `sonde trust export` is told to write it. */
export const TRUST_FILE = "sonde-trust.json";

/** The token stands in no command: the host's program asks for it, so no history shows it. */
export function buildInvitation(
  agent: string,
  tags: string[],
  { token, expiresAt, enrolAddress }: CreatedToken,
  replaces: boolean,
  tokenFile?: string,
): Invitation {
  const read = tokenFile === undefined ? "" : ` --token-file ${basename(tokenFile)}`;
  return {
    ...{ agent, tags, replaces, expiresAt, hub: enrolAddress },
    token: tokenFile === undefined ? token : null,
    tokenFile: tokenFile ?? null,
    commands: [
      `sudo apt install ./sonde-agent_${RELEASE}_$(dpkg --print-architecture).deb`,
      `sudo sonde-agent enrol --hub ${enrolAddress} --agent-name ${agent} --trust ${TRUST_FILE}${read}`,
    ],
    warning: isLoopbackName(new URL(`https://${enrolAddress}`).hostname.replaceAll(/[[\]]/g, ""))
      ? `${enrolAddress} is this machine alone. For another host, start Sonde with --public-name NAME, where NAME is how that host reaches this machine, and invite again.`
      : null,
  };
}

export function describeInvitation(invitation: Invitation): string {
  const { agent, replaces, token, tokenFile, expiresAt, commands, warning } = invitation;
  return [
    ...(token === null
      ? [`The token of ${agent} is in ${tokenFile} (mode 0600), for one use until ${expiresAt}.`]
      : [`The token of ${agent}, shown only once, for one use until ${expiresAt}:`, `  ${token}`]),
    ...(replaces
      ? [`${agent} is enrolled already. The host that enrols takes its place and ends its session.`]
      : []),
    ...(warning === null ? [] : [`WARNING: ${warning}`]),
    `Take the package and ${TRUST_FILE} to ${agent} (sonde trust export ${TRUST_FILE} writes it here)${tokenFile === null ? "" : ", and the token's file"}.`,
    token === null ? "There:" : "There, which asks for the token:",
    ...commands.map((command) => `  ${command}`),
  ].join("\n");
}
