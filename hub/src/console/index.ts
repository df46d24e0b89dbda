import type { Hub } from "../hub.ts";
import { addEventRoutes, type EventUses } from "./edge/event-routes.ts";
import { addPageRoutes } from "./edge/page-routes.ts";
import { readConsole } from "./edge/read-console.ts";

/** Installs the console, which people open in a browser, and the events by which it is live. */
export function installConsole(hub: Hub, uses: EventUses): void {
  addEventRoutes(hub, uses);
  const files = readConsole(process.argv[1] ?? "");
  if (files !== null) addPageRoutes(hub.app, files);
}
