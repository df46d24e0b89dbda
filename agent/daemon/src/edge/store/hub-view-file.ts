import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "@sonde/files";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { CheckpointBody, DsseEnvelope, LogHead, WitnessBody } from "@sonde/schemas/wire";
import { Type } from "typebox";
import { HubView, NOTHING_SEEN, type SavedHubView } from "../../core/hub-view.ts";
import type { AgentEvent } from "../../core/record-event.ts";
import type { Identity } from "./identity.ts";

const FILE = "hub-view.json";

const HubViewFile = Type.Object(
  {
    keySet: Type.Union([DsseEnvelope, Type.Null()]),
    auditHead: Type.Union([LogHead, Type.Null()]),
    signedHead: Type.Optional(DsseEnvelope),
    checkpoint: Type.Optional(
      Type.Object(
        { ...WitnessBody.properties, note: CheckpointBody.properties.note },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);
const parseHubViewFile = buildParser(HubViewFile, FILE, "STARTING_FAILED");

/**
 * Opens what the agent keeps of its hub. It is beside the identity: a new enrolment, which is a
 * person's act, begins anew.
 *
 * @param folder `<stateDir>/identity`
 * @throws SondeError STARTING_FAILED when the file is not valid
 */
export function openHubView(
  folder: string,
  { hubId, hubKey, ca }: Identity,
  record: (event: AgentEvent) => void,
): HubView {
  const path = join(folder, FILE);
  const ports = {
    ...{ hubId, root: new X509Certificate(ca).publicKey, enrolledKey: hubKey, now: Date.now },
    // After a crash it is either the old file or the new one.
    save: (view: SavedHubView) => replaceFile(path, `${JSON.stringify(view)}\n`, 0o600),
    record,
  };
  return new HubView(ports, read(path));
}

function read(path: string): SavedHubView {
  if (!existsSync(path)) return NOTHING_SEEN;
  return parseHubViewFile(parseJson(readFileSync(path), path, "STARTING_FAILED"));
}
