import type { HttpServer, Report } from "@sonde/service";
import type { Sql } from "postgres";
import type { AuditLog, Checkpoints } from "./audit/index.ts";
import type { HubConfig } from "./config.ts";
import type { Directory } from "./directory/index.ts";
import type { HubKeys } from "./keys/open-hub-keys.ts";
import type { Links } from "./links/index.ts";
import type { Pages } from "./rest/index.ts";

/** Where agents find this hub, as host:port, and people. */
export type HubAddresses = {
  /** For people and clients, as `https://hub.example:8443`; of the configuration, not of a request. */
  web: string;
  enrol: string;
  enrolPort: number;
  /** @param name by which an agent reached the hub; null when it is unknown */
  controlOf: (name: string | null) => string;
};

/**
 * What every feature receives when it is installed. `directory`, `links` and `auditLog` are safe
 * with several hubs on one database. A feature keeps other facts in its own tables.
 */
export type Hub = {
  /** As it is in force now: its live settings may be others at the next look. */
  readonly config: HubConfig;
  keys: HubKeys;
  sql: Sql;
  /** The listener for people and MCP clients. Each route names its right. */
  app: HttpServer;
  /** Cuts the lists of routes into pages. */
  pages: Pages;
  directory: Directory;
  links: Links;
  auditLog: AuditLog;
  checkpoints: Checkpoints;
  now: () => Date;
  /** Monotonic milliseconds. */
  elapsed: () => number;
  report: Report;
  /** Where agents and people find this hub. Empty until it listens. */
  addresses: HubAddresses;
  /**
   * Registers work for the stop, before audit log and database close. The work that was registered
   * last runs first.
   */
  onStop(work: () => Promise<void> | void): void;
};
