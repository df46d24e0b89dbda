import type { KeyObject } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "@sonde/files";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { DsseEnvelope, parseHubGrantsBody } from "@sonde/schemas/wire";
import { openKeptMessage } from "@sonde/trust/envelope";
import { Type } from "typebox";
import { HubGrants, NO_HUB_GRANTS, type SavedHubGrants } from "../../core/hub-grants.ts";
import type { AgentEvent } from "../../core/record-event.ts";

const FILE = "hub-grants.json";

const closed = { additionalProperties: false } as const;
const HubGrantsFile = Type.Object(
  {
    revision: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    message: Type.Union([
      Type.Object({ envelope: DsseEnvelope, body: Type.String({ maxLength: 1_000_000 }) }, closed),
      Type.Null(),
    ]),
    dropped: Type.Array(Type.String({ maxLength: 200 }), { maxItems: 200 }),
  },
  closed,
);
const parseHubGrantsFile = buildParser(HubGrantsFile, FILE, "STARTING_FAILED");

/**
 * Opens the hub's grants that the agent keeps. They are beside the identity: a new enrolment, which is
 * a person's act, begins anew. They count only while a command key of the hub signed them.
 *
 * @param folder `<stateDir>/identity`
 * @throws SondeError STARTING_FAILED when the file is not valid
 */
export function openHubGrants(
  folder: string,
  identity: { hubId: string; agentId: string },
  commandKeys: () => readonly KeyObject[],
  record: (event: AgentEvent) => void,
): HubGrants {
  const path = join(folder, FILE);
  const { hubId, agentId } = identity;
  return new HubGrants(
    {
      open(message) {
        const sent = { type: "hub-grants", dir: "hub-to-agent" } as const;
        const expected = { ...sent, hubId, agentId, keys: commandKeys() };
        return parseHubGrantsBody(openKeptMessage(message, expected));
      },
      // After a crash it is either the old file or the new one.
      save: (saved) => replaceFile(path, `${JSON.stringify(saved)}\n`, 0o600),
      record,
    },
    read(path),
  );
}

function read(path: string): SavedHubGrants {
  if (!existsSync(path)) return NO_HUB_GRANTS;
  return parseHubGrantsFile(parseJson(readFileSync(path), path, "STARTING_FAILED"));
}
