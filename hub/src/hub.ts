import type { HttpServer, Report } from "@sonde/service";
import type { Sql } from "postgres";
import type { AuditLog } from "./audit/index.ts";
import type { HubConfig } from "./config.ts";
import type { Directory } from "./directory/index.ts";
import type { HubKeys } from "./keys/open-hub-keys.ts";
import type { Links } from "./links/index.ts";

/**
 * What every feature is given when it is installed. `directory`, `links` and `auditLog` are the
 * ports that are safe with several hubs on one database; a feature keeps its other facts in tables
 * of its own.
 */
export type Hub = {
  config: HubConfig;
  keys: HubKeys;
  sql: Sql;
  /** The listener for people and MCP clients; each route names its right. */
  app: HttpServer;
  directory: Directory;
  links: Links;
  auditLog: AuditLog;
  now: () => Date;
  /** Monotonic milliseconds. */
  elapsed: () => number;
  report: Report;
  /** host:port of the agents' listeners, known once they listen. */
  addresses: { enrol: string; control: string };
  /** Work at the end, before audit log and database close; the last one named is the first done. */
  onStop(work: () => Promise<void> | void): void;
};
