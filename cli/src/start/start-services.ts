import type { KeyAlgorithm } from "@sonde/schemas/wire";
import type { DataLayout } from "../data-layout.ts";
import type { HubClient } from "../hub-client.ts";
import type { Child } from "./child.ts";
import { enrolAgent } from "./enrol-agent.ts";
import { endLeftServices, guardServices } from "./left-services.ts";
import { ownDataFolder } from "./own-data-folder.ts";
import { readAgentCertificate, readAgentEnrolPort, readHubCa } from "../read-back.ts";
import { resolveKeyAlgorithm } from "./key-algorithm.ts";
import { installRuntime } from "./install-runtime.ts";
import {
  type Ports,
  chooseAgentName,
  choosePorts,
  prepareFolders,
  requireShortSockets,
  writeConfigs,
} from "./prepare-data.ts";
import { replaceFile } from "@sonde/files";
import { toUrlHost } from "./public-names.ts";
import type { Progress } from "./progress.ts";
import { resolveRunnerGroups, roleOf, runnerSocket } from "./runner-groups.ts";
import {
  type ServiceHome,
  type ServiceToStart,
  serviceCommand,
  startService,
} from "./start-service.ts";
import { type Accounts, ensureAccounts, missingUsers } from "./system-users.ts";

/** The running services of one data folder. `stop` ends all of them, newest first. */
export type Services = {
  accounts: Accounts;
  agentName: string;
  urls: { hub: string; mcp: string; registry: string };
  /** What other machines use; null when nothing listens for them. */
  publicUrls: PublicUrls | null;
  /** While the hub has no owner: the one-time link that makes the first account. */
  readonly ownerLink: string | null;
  /** The key of the registry's transparency log. */
  logKey: string;
  /** What the present set-up does not protect against, for a person. */
  warnings: string[];
  pids(): Record<string, number>;
  startHub(): Promise<void>;
  startAgent(hub: HubClient): Promise<void>;
  stop(): Promise<void>;
};

type PublicUrls = { mcp: string; registry: string };

type Options = {
  port: number;
  publicNames: string[];
  dist: string;
  env: NodeJS.ProcessEnv;
  runnerGroups: string[];
  keyAlgorithm?: KeyAlgorithm;
  progress: Progress;
};

/** Prepares the data folder and starts the registry. The caller starts hub and agent. */
export async function startServices(layout: DataLayout, options: Options): Promise<Services> {
  const { progress, env, publicNames } = options;
  const announce = await ownDataFolder(layout);
  const say = (text: string) => progress.say(text);
  await endLeftServices(layout, say);
  for (const user of missingUsers()) progress.say(`  Creating the system user ${user} ...`);
  const accounts = ensureAccounts();
  prepareFolders(layout, accounts);
  const runners = resolveRunnerGroups(layout, accounts.separate, options.runnerGroups);
  requireShortSockets(layout, runners);
  const runtime = await progress.step("Programs", () =>
    Promise.resolve(installRuntime(options.dist, layout.runtime, accounts.separate)),
  );
  const ports = choosePorts(options.port);
  const keyAlgorithm = resolveKeyAlgorithm(layout, options.keyAlgorithm);
  const settings = { ports, runners, publicNames, keyAlgorithm };
  const write = () => writeConfigs(layout, accounts, runtime, settings, env);
  const configs = write();
  /** A service that is started again gets the port of its first start or none: nobody would find it elsewhere. */
  const keepPort = (known: Partial<Ports>): void => {
    Object.assign(ports, known);
    write();
  };
  const children: Child[] = [];
  const urls = { hub: "", mcp: "", registry: "" };
  const [publicName] = publicNames;
  const publicUrls = publicName === undefined ? null : { mcp: "", registry: "" };
  const publicUrl = (port: unknown) => `https://${toUrlHost(publicName ?? "")}:${String(port)}`;
  const agentName = chooseAgentName(layout);
  const endGuard = guardServices(layout);

  const home: ServiceHome = {
    runtime,
    accounts,
    services: layout.services,
    logs: layout.logs,
    env,
    say,
  };
  const run = async (service: ServiceToStart) => {
    const child = await startService(home, service);
    children.push(child);
    return child;
  };

  let hubEnrolPort = 0;
  let ownerLink: string | null = null;
  const services: Services = {
    accounts,
    agentName,
    urls,
    publicUrls,
    get ownerLink() {
      return ownerLink;
    },
    logKey: "",
    warnings: accounts.separate ? [] : [SAME_UID_WARNING],
    pids: () =>
      Object.fromEntries([
        ["supervisor", process.pid],
        ...children.map((child) => [child.role, child.pid()]),
      ]) as Record<string, number>,
    async startHub() {
      const child = await progress.step("Hub", () =>
        run({ role: "hub", account: accounts.hub, program: "hub", config: configs.hub }),
      );
      hubEnrolPort = Number(child.ready["enrol"]);
      const link = child.ready["ownerLink"];
      ownerLink = typeof link === "string" ? link : null;
      keepPort({ http: Number(child.ready["http"]), publicHttp: Number(child.ready["public"]) });
      if (publicUrls !== null) publicUrls.mcp = `${publicUrl(child.ready["public"])}/mcp`;
      urls.hub = `http://127.0.0.1:${String(child.ready["http"])}`;
      urls.mcp = `${urls.hub}/mcp`;
      announce(urls.hub);
      // A copy that every user may read: the hub's own file and its folder are closed to others.
      replaceFile(layout.hubCa, readHubCa(layout));
    },
    async startAgent(hub) {
      await progress.step("Agent", async () => {
        const own = {
          ...{ agentName, keyAlgorithm, certificate: readAgentCertificate(layout) },
          enrolPort: readAgentEnrolPort(layout),
        };
        await enrolAgent(layout, hub, own, hubEnrolPort, (args) =>
          serviceCommand(home, accounts.agent, "enrol", args),
        );
        const agent = { account: accounts.agent, program: "agent", config: configs.agent };
        await run({ role: "agent", ...agent });
        for (const { name, gids } of runners) {
          const socket = {
            path: runnerSocket(layout, name),
            owner: accounts.separate ? accounts.agent : null,
          };
          await run({
            ...{ role: roleOf(name), account: accounts.runner, program: "runner" },
            ...{ config: configs.runner, runner: { gids, socket } },
          });
        }
      });
    },
    async stop() {
      // Newest first, so no service loses a dependency while it stops.
      for (const child of children.toReversed()) await child.stop();
      endGuard();
    },
  };
  try {
    const child = await progress.step("Registry", () =>
      run({
        ...{ role: "registry", account: accounts.registry, program: "registry" },
        config: configs.registry,
      }),
    );
    keepPort({ registry: Number(child.ready["port"]) });
    if (publicUrls !== null) {
      const { publicPort, authority } = child.ready;
      keepPort({ publicRegistry: Number(publicPort) });
      publicUrls.registry = publicUrl(publicPort);
      replaceFile(layout.registryCa, String(authority));
    }
    urls.registry = `http://127.0.0.1:${String(child.ready["port"])}`;
    services.logKey = String(child.ready["logKey"]);
    return services;
  } catch (thrown) {
    await services.stop();
    throw thrown;
  }
}

const SAME_UID_WARNING =
  "Everything runs as one user, because this was not started as root: a pack that broke out of its " +
  "isolate and its sandbox could read the agent's key. Start as root to put a wall between them.";
