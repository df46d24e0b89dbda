import { SondeError } from "@sonde/schemas/errors";
import { authorize, type Principal } from "../../identity/index.ts";
import type { CallPorts } from "./call.ts";

/**
 * Tells a principal that may ask a probe why an agent does not offer it, when a person on its host
 * withheld what it reads. A principal that may not ask it learns nothing of it.
 *
 * @throws SondeError READ_NOT_GRANTED, with the command that grants it
 */
export function requireGranted(
  { catalog, directory }: Pick<CallPorts, "catalog" | "directory">,
  principal: Principal,
  agent: string,
  toolName: string,
): void {
  const known = directory.agents().find(({ name }) => name === agent);
  for (const { state, digest, probes, reason } of known?.packs ?? []) {
    const pack = digest === null ? undefined : directory.packs().get(digest);
    if (known === undefined || pack === undefined || state !== "active") continue;
    if (reason?.code !== "READ_NOT_GRANTED") continue;
    const withheld = catalog
      .definitionsOf(pack)
      .find(({ name, tool }) => tool.name === toolName && !probes.includes(name));
    if (withheld === undefined) continue;
    const { probe, manifest } = withheld;
    const { capability } = manifest;
    if (!authorize(principal, { kind: "probe.call", agent: known, probe, capability }).allowed) {
      continue;
    }
    throw new SondeError("READ_NOT_GRANTED", `on agent ${agent}, ${reason.message}`);
  }
}
