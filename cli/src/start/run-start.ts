import type { KeyAlgorithm } from "@sonde/schemas/wire";
import { layoutOf, resolveDataFolder } from "../data-layout.ts";
import { createHubClient } from "../hub-client.ts";
import { readOperatorKey } from "../read-back.ts";
import type { Progress } from "./progress.ts";
import { startSetUp } from "./set-up-process.ts";
import { type Services, startServices } from "./start-services.ts";

export type StartOptions = {
  yes: boolean;
  json: boolean;
  data?: string;
  port: number;
  publicNames: string[];
  /** One runner per item: `docker`, or `adm+docker` for a runner in both groups. */
  runnerGroups: string[];
  /** By default that of an earlier start. */
  keyAlgorithm?: KeyAlgorithm;
  /** Folder of the bundled programs. */
  dist: string;
  /** The clone, whose official packs are built. */
  workspace: string;
  env: NodeJS.ProcessEnv;
  progress: Progress;
};

/**
 * `npm start`: sets up an empty machine up to one real answer. Returns the running services; the
 * caller stops them.
 */
export async function runStart(options: StartOptions): Promise<Services> {
  const layout = layoutOf(resolveDataFolder(options.data, options.env));
  // What other users must read does not depend on the umask of the person who starts.
  process.umask(0o022);
  const services = await startServices(layout, options);
  const setUp = startSetUp(layout.root, options);
  try {
    await setUp.perform("publish", services);
    await services.startHub();
    await services.startAgent(createHubClient(services.urls.hub, readOperatorKey(layout)));
    await setUp.perform("settle", services);
    return services;
  } catch (thrown) {
    await services.stop();
    throw thrown;
  } finally {
    setUp.end();
  }
}
