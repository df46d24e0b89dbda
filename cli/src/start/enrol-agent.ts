import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { replaceFile } from "@sonde/files";
import type { HoldKind } from "@sonde/schemas/hub";
import { type KeyAlgorithm, RECOVERABLE_MS } from "@sonde/schemas/wire";
import { runEnrolment } from "../agent/run-enrolment.ts";
import type { DataLayout } from "../data-layout.ts";
import type { HubClient } from "../hub-client.ts";

/** This machine's agent, and what its folder has of an earlier enrolment. */
export type OwnAgent = {
  agentName: string;
  keyAlgorithm: KeyAlgorithm;
  /** In PEM; null before it enrolled. */
  certificate: string | null;
  /** Where it comes back when its certificate has ended; null when it does not know. */
  enrolPort: number | null;
};

/** The holds that an enrolment ends. */
const ENDED: ReadonlySet<HoldKind> = new Set(["locked", "rolled-back"]);

/**
 * Enrols this machine's agent if it is not enrolled and cannot come back by itself. An agent whose
 * certificate has ended comes back by proof of its key, as any other does, so that nothing of what the
 * hub holds against it is forgotten. Where that is impossible, it enrols anew, and what held it holds it
 * until a person releases it: nobody has decided anything by starting.
 *
 * @param hubEnrolPort where the hub lets agents enrol and come back
 * @param program command line of the enrol program as the agent's user
 */
export async function enrolAgent(
  layout: Pick<DataLayout, "config" | "agent">,
  hub: Pick<HubClient, "listAgents" | "quarantineAgent" | "createToken">,
  own: OwnAgent,
  hubEnrolPort: number,
  program: (args: string[]) => { command: string; args: string[] },
): Promise<void> {
  const { agentName, keyAlgorithm } = own;
  if (comesBack(own, hubEnrolPort, new Date())) return;
  await keepHeld(hub, agentName);
  const { token, enrolAddress } = await hub.createToken(agentName);
  const config = join(layout.config, "enrol.json");
  replaceFile(
    config,
    JSON.stringify({
      stateDir: layout.agent,
      // By the name that it will keep, which leads no other machine to this hub.
      host: "localhost",
      port: Number(new URL(`https://${enrolAddress}`).port),
      agentName,
      keyAlgorithm,
    }),
  );
  // The token goes through standard input, so no process list and no shell history shows it.
  await runEnrolment(program([config]), token);
}

function comesBack({ certificate, enrolPort }: OwnAgent, hubEnrolPort: number, now: Date): boolean {
  if (certificate === null) return false;
  const endedMs = now.getTime() - new X509Certificate(certificate).validToDate.getTime();
  return endedMs < 0 || (endedMs < RECOVERABLE_MS && enrolPort === hubEnrolPort);
}

async function keepHeld(
  hub: Pick<HubClient, "listAgents" | "quarantineAgent">,
  agentName: string,
): Promise<void> {
  const known = (await hub.listAgents()).find(({ name }) => name === agentName);
  const ended = known?.holds.filter(({ kind }) => ENDED.has(kind)) ?? [];
  if (ended.length === 0) return;
  const why = ended.map(({ kind, reason }) => `${kind}: ${reason}`).join("; ");
  await hub.quarantineAgent(
    agentName,
    `It enrolled anew at a start, after its certificate had ended, and was held before. ${why}`.slice(
      0,
      300,
    ),
  );
}
