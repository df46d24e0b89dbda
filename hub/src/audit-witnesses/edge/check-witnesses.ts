import { dirname, resolve } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { parseNoteKey } from "@sonde/trust/log";
import { readReceiverTrust, readWebhookKeys, requireFolder } from "../../receivers/index.ts";
import type { SinkSettings } from "../../sink-settings.ts";
import type { WitnessSettings } from "../../witness-settings.ts";

type Configured = {
  auditWitnesses?: readonly WitnessSettings[];
  auditSinks?: readonly SinkSettings[];
  witnessFor?: readonly string[];
};

/**
 * Looks at what the shape of the settings does not say: names, keys, and the files that they name. No
 * witness is asked, since one that is away is no fault of the configuration.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function requireWitnesses(config: Configured): void {
  const { auditWitnesses: witnesses = [], auditSinks: sinks = [], witnessFor = [] } = config;
  for (const [index, witness] of witnesses.entries()) {
    const before = witnesses.slice(0, index);
    demandOf(`auditWitnesses, ${witness.name}`, () => {
      requireSound(witness);
      requireOwn(witness, before, sinks);
    });
  }
  for (const vkey of witnessFor) demandOf("witnessFor", () => void parseNoteKey(vkey));
}

function requireSound(witness: WitnessSettings): void {
  switch (witness.kind) {
    case "file":
      requireFolder(dirname(witness.path));
      return;
    case "webhook":
      readReceiverTrust({ caPath: witness.caPath });
      readWebhookKeys(witness.keyPath);
      return;
    case "tlog-witness":
      readReceiverTrust({ caPath: witness.caPath });
      parseNoteKey(witness.key, "cosignature");
  }
}

function requireOwn(
  witness: WitnessSettings,
  before: readonly WitnessSettings[],
  sinks: readonly SinkSettings[],
): void {
  if (before.some(({ name }) => name === witness.name)) {
    throw new SondeError(
      "CONFIG_INVALID",
      "expected a name of its own, got that of another witness",
    );
  }
  const isTaken = (other: WitnessSettings | SinkSettings) =>
    other.kind === "file" &&
    witness.kind === "file" &&
    resolve(other.path) === resolve(witness.path);
  if ([...before, ...sinks].some(isTaken)) {
    throw new SondeError("CONFIG_INVALID", "expected a file of its own");
  }
}

/** Says of which entry a refusal is. */
function demandOf(entry: string, look: () => void): void {
  try {
    look();
  } catch (thrown) {
    if (!(thrown instanceof SondeError)) throw thrown;
    throw new SondeError("CONFIG_INVALID", `${entry}: ${thrown.message}`);
  }
}
