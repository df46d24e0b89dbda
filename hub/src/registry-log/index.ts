import { toSondeError } from "@sonde/schemas/errors";
import { RegistryLogStatus } from "@sonde/schemas/hub";
import type { TrustPolicy } from "@sonde/schemas/trust";
import { followRegistry } from "@sonde/trust/admit";
import type { Hub } from "../hub.ts";
import { RECENT_MS, RegistryFollower } from "./core/registry-follower.ts";
import { addRegistryPackRoutes } from "./edge/registry-pack-routes.ts";
import { createRegistryLogStore } from "./edge/registry-log-store.ts";

export type { RegistryFollower } from "./core/registry-follower.ts";

/** How often the registry's log is followed without another reason. */
const FOLLOW_EVERY_MS = 60_000;

/** Installs the follower of the registry's log, which also compares the heads that agents saw. */
export function installRegistryLog(
  hub: Hub,
  uses: { readPolicy: () => TrustPolicy },
): RegistryFollower {
  const { config, sql, directory, links, auditLog, now, elapsed, report } = hub;
  const registry = new RegistryFollower({
    readPolicy: uses.readPolicy,
    follow: (request, onEntry) => followRegistry(config.admitPath, request, onEntry),
    store: createRegistryLogStore(sql),
    auditLog,
    isEnrolled: (agent) => directory.agents().some(({ name }) => name === agent),
    now,
    elapsed,
    // Sending the desired state again makes agents look at the log too.
    onNews: (packs) => links.remind(packs),
  });
  hub.app.get(
    "/api/v1/registry",
    {
      config: { right: "tools.read" },
      schema: {
        summary: "How far the log of the registry is followed",
        response: { 200: RegistryLogStatus },
      },
    },
    () => registry.status(),
  );
  addRegistryPackRoutes(hub, uses.readPolicy, registry);
  // The follower's status has the failure; the audit log has alarms.
  const follow = () => {
    registry.follow(RECENT_MS).catch((thrown: unknown) => {
      const error = toSondeError(thrown);
      // A registry that is down is not an error of this hub.
      if (error.code !== "REGISTRY_UNAVAILABLE") report(error);
    });
  };
  follow();
  const timer = setInterval(follow, FOLLOW_EVERY_MS);
  hub.onStop(() => clearInterval(timer));
  return registry;
}
