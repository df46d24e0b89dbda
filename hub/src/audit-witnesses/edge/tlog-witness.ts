import { SondeError } from "@sonde/schemas/errors";
import type { KeyAlgorithm } from "@sonde/schemas/wire";
import { type Checkpoint, openCosigned, parseNoteKey } from "@sonde/trust/log";
import type { Checkpoints } from "../../audit/index.ts";
import { createHttpReceiver, readReceiverTrust, SinkFailure } from "../../receivers/index.ts";
import type { TlogWitness } from "../../witness-settings.ts";
import { parseSize, writeAddCheckpoint } from "../core/add-checkpoint.ts";
import type { CosignedNote, WitnessSender } from "../core/witness-sender.ts";

export type TlogWitnessPorts = {
  checkpoints: Pick<Checkpoints, "atLeast" | "proveGrowth">;
  /** Of the audit key that signs now. */
  algorithm: () => KeyAlgorithm;
};

const HEADERS = { "content-type": "text/plain; charset=utf-8" };
/** Refusals that the specification gives a meaning. */
const AWAITED = [403, 404, 409, 422];
const MAX_LINES = 32;

/**
 * Has checkpoints cosigned by a witness (C2SP tlog-witness). It goes on from the size that was cosigned
 * last, and once more from the one that the witness names.
 *
 * @throws SondeError CONFIG_INVALID
 */
export function createTlogWitness(
  { url, key: vkey, caPath }: TlogWitness,
  { checkpoints, algorithm }: TlogWitnessPorts,
): WitnessSender {
  const key = parseNoteKey(vkey, "cosignature");
  const address = `${url.replace(/\/$/, "")}/add-checkpoint`;
  const receiver = createHttpReceiver(address, readReceiverTrust({ caPath }));

  async function ask(checkpoint: Checkpoint, from: number, signal: AbortSignal) {
    const proof = await checkpoints.proveGrowth(from, checkpoint.size);
    const body = writeAddCheckpoint({ from, proof, note: checkpoint.note });
    const answer = await receiver.post(HEADERS, body, signal, AWAITED);
    return { status: answer.status, text: answer.body.toString("utf8") };
  }

  /** The size from which the witness wants the proof. */
  async function readConflict(checkpoint: Checkpoint, from: number, text: string): Promise<number> {
    const size = parseSize(text.replace(/\n$/, ""));
    if (from === checkpoint.size && (size === null || size === from)) {
      throw disagrees(`it has cosigned another log of ${from} entries`);
    }
    if (size === null || size === from) {
      throw new SinkFailure("SINK_REFUSED", "expected the size that it cosigned, got another text");
    }
    if (size <= checkpoint.size) return size;
    // Another hub of this database may have signed and sent more than this one knows of.
    const known = await checkpoints.atLeast(size);
    if ((known?.size ?? 0) < size) {
      throw disagrees(`it has cosigned ${size} entries, and the log has ${checkpoint.size}`);
    }
    throw new SinkFailure("SINK_REFUSED", "the witness has a newer checkpoint of this log already");
  }

  function readAnswer(checkpoint: Checkpoint, text: string): CosignedNote {
    for (const line of text.split("\n").slice(0, MAX_LINES)) {
      const note = `${checkpoint.note}${line}\n`;
      const cosigned = openCosigned(note, key);
      if (cosigned !== null) return { note, at: cosigned.at };
    }
    throw new SondeError(
      "WITNESS_UNTRUSTED",
      `expected a cosignature of ${key.name} over the checkpoint that was sent, got none`,
    );
  }

  return {
    async offer(checkpoint, taken, signal) {
      demandEd25519(algorithm());
      let from = Math.min(taken, checkpoint.size);
      let answer = await ask(checkpoint, from, signal);
      if (answer.status === 409) {
        from = await readConflict(checkpoint, from, answer.text);
        answer = await ask(checkpoint, from, signal);
      }
      switch (answer.status) {
        case 403:
          throw new SinkFailure("SINK_REFUSED", "the witness does not know the key of this log");
        case 404:
          throw new SinkFailure("SINK_REFUSED", "the witness does not know this log");
        case 409:
          await readConflict(checkpoint, from, answer.text);
          throw new SinkFailure("SINK_REFUSED", "the witness has cosigned another size meanwhile");
        case 422:
          throw disagrees(
            `it does not find the ${from} entries that it has cosigned at the begin of the log`,
          );
        default:
          return readAnswer(checkpoint, answer.text);
      }
    },
    close: () => receiver.close(),
  };
}

/** Notes have no signature type for RSA, so no witness could verify what such a key signed. */
function demandEd25519(algorithm: KeyAlgorithm): void {
  if (algorithm === "ed25519") return;
  throw new SondeError(
    "CONFIG_INVALID",
    `expected an audit key of Ed25519, which witnesses can verify, got one of ${algorithm}`,
  );
}

function disagrees(why: string): SondeError {
  return new SondeError("WITNESS_DISAGREES", `the witness has seen another log: ${why}`);
}
