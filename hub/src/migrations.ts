import type { Migration } from "@sonde/database";
import { migrations as agents } from "./agents/index.ts";
import { migrations as approvals } from "./approvals/index.ts";
import { migrations as attestation } from "./attestation/index.ts";
import { migrations as audit } from "./audit/index.ts";
import { migrations as auditRetention } from "./audit-retention/index.ts";
import { migrations as auditSinks } from "./audit-sinks/index.ts";
import { migrations as auditWitnesses } from "./audit-witnesses/index.ts";
import { migrations as directory } from "./directory/index.ts";
import { migrations as catalog } from "./catalog/index.ts";
import { firstRelease } from "./first-release.ts";
import { migrations as evidence } from "./evidence/index.ts";
import { migrations as identity } from "./identity/index.ts";
import { migrations as links } from "./links/index.ts";
import { migrations as mcp } from "./mcp/index.ts";
import { migrations as oauth } from "./oauth/index.ts";
import { migrations as people } from "./people/index.ts";
import { migrations as rest } from "./rest/index.ts";

/** The hub's schema. A released migration never changes. A feature adds to its own list. */
export const migrations: Migration[] = [
  ...firstRelease,
  ...directory,
  ...links,
  ...audit,
  ...identity,
  ...agents,
  ...attestation,
  ...approvals,
  ...catalog,
  ...mcp,
  ...people,
  ...oauth,
  ...rest,
  ...auditSinks,
  ...evidence,
  ...auditRetention,
  ...auditWitnesses,
];
