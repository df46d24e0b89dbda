import { SondeError } from "@sonde/schemas/errors";
import { parseJson } from "@sonde/schemas/parse";
import { type DataLayout, INSTALLED } from "./data-layout.ts";
import type { HubEndpoints } from "./hub-endpoints.ts";
import { readInstalledHub } from "./installed/installed-services.ts";
import { readOwn } from "./read-back.ts";

/** Where the services of a data folder answered after their last start, and its own agent. */
export type Endpoints = HubEndpoints & Record<"registryUrl" | "agent", string>;

const FIELDS = ["hubUrl", "mcpUrl", "registryUrl", "agent"] as const;

/** @throws SondeError STARTING_FAILED when nothing was started yet */
export function readHubEndpoints(layout: DataLayout): HubEndpoints {
  return layout.root === INSTALLED ? readInstalledHub() : readEndpoints(layout);
}

/** @throws SondeError STARTING_FAILED when nothing was started in this folder yet */
export function readEndpoints(layout: DataLayout): Endpoints {
  const text = readOwn(layout.endpoints);
  if (text === null) throw nothingRuns(layout);
  const named = parseJson(text, layout.endpoints, "CONFIG_INVALID") as Record<string, unknown>;
  const field = (name: keyof Endpoints): string => {
    const value = named[name];
    if (typeof value === "string") return value;
    throw new SondeError("CONFIG_INVALID", `expected ${name} in ${layout.endpoints}`);
  };
  return {
    ...(Object.fromEntries(FIELDS.map((name) => [name, field(name)])) as Endpoints),
    ...("publicRegistryUrl" in named && {
      publicRegistryUrl: field("publicRegistryUrl"),
      publicMcpUrl: field("publicMcpUrl"),
    }),
  };
}

export function nothingRuns({ root }: DataLayout): SondeError {
  return new SondeError(
    "STARTING_FAILED",
    `nothing runs in ${root}; start it with npm start -- --data ${root}, or give the --data of what runs`,
  );
}
