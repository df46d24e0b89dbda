import { type Static, Type } from "typebox";
import { buildParser } from "./parse/validator.ts";

/** A folder: absolute, without empty, hidden, `.` or `..` parts. */
const Root = Type.String({ pattern: "^(/[A-Za-z0-9_-][A-Za-z0-9._@-]*)+$", maxLength: 300 });

/**
 * What a hub may grant on a host: reads of files beneath these folders, and commands whose whole argv
 * is in the built-in table of those that only look. There is no word for a group, a socket, another
 * host, SQL or the journal.
 */
export const HubMayGrant = Type.Union([
  Type.Literal("none"),
  Type.Array(Type.Union([Type.Literal("read-only-commands"), Root]), {
    maxItems: 64,
  }),
]);
export type HubMayGrant = Static<typeof HubMayGrant>;

/** What counts where the host's administrator says nothing. */
export const DEFAULT_HUB_MAY_GRANT: HubMayGrant = ["/proc", "/sys", "read-only-commands"];

/** The member `approvals` of the agent's configuration. */
export const ApprovalSettings = Type.Object(
  { hubMayGrant: Type.Optional(HubMayGrant) },
  { additionalProperties: false },
);
export type ApprovalSettings = Static<typeof ApprovalSettings>;
export const parseApprovalSettings = buildParser(
  ApprovalSettings,
  "approvals of the agent's configuration",
  "CONFIG_INVALID",
);
