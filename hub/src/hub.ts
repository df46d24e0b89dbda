import type { HttpServer, Report } from "@sonde/service";
import type { Sql } from "postgres";
import type { AuditLog } from "./audit/index.ts";
import type { HubConfig } from "./config.ts";
import type { Directory } from "./directory/index.ts";
import type { HubKeys } from "./keys/open-hub-keys.ts";
import type { Links } from "./links/index.ts";

/**
 * What every feature receives when it is installed. `directory`, `links` and `auditLog` are safe
 * with several hubs on one database. A feature keeps other facts in its own tables.
 */
export type Hub = {
  config: HubConfig;
  keys: HubKeys;
  sql: Sql;
  /** The listener for people and MCP clients. Each route names its right. */
  app: HttpServer;
  directory: Directory;
  links: Links;
  auditLog: AuditLog;
  now: () => Date;
  /** Monotonic milliseconds. */
  elapsed: () => number;
  report: Report;
  /** host:port of the agents' listeners. Empty until they listen. */
  addresses: { enrol: string; control: string };
  /**
   * Registers work for the stop, before audit log and database close. The work that was registered
   * last runs first.
   */
  onStop(work: () => Promise<void> | void): void;
};
