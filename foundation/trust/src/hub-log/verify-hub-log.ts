import { createPublicKey, X509Certificate } from "node:crypto";
import type { AuditAttestation, AuditWitness } from "@sonde/schemas/audit";
import { type LogHead, parseWitnessBody } from "@sonde/schemas/wire";
import { EMPTY_HEAD } from "../chain/chain.ts";
import { openKeySet } from "../envelope/key-set.ts";
import { openKeptEnvelope, openKeptMessage } from "../envelope/kept-message.ts";
import type { Checkpoint } from "../log/checkpoint.ts";
import { type BadEntry, createDroppedCheck, type DroppedVerdict } from "./check-dropped.ts";
import type { Stretch } from "./check-stretch.ts";
import { createGrowingTree } from "./growing-tree.ts";
import type { NoteKey } from "../log/signed-note.ts";
import { openHubCheckpoint } from "./hub-log.ts";
import {
  type Cosignature,
  type CosignatureVerdict,
  readCosignatures,
} from "./read-cosignatures.ts";
import { type Stated, takeStretch } from "./take-stretch.ts";

/** What an agent's word on the log is worth, against the entries that were read. */
export type WitnessVerdict = {
  agent: string;
  size: number;
  at: string;
  /** `ahead`: it saw more entries than there are. `unsigned`: the message is not the agent's. */
  says: "same" | "another" | "ahead" | "unsigned";
};

/** What is proven of a hub's audit log. */
export type HubLogVerdict = {
  /** Entries that follow one another from the first one on, and the last of them. */
  head: LogHead;
  /**
   * The first entry of which it is known that it is not as it was written, and what shows it. Where all
   * after the first changed one were written anew, that is the entry of the first head that differs, and
   * the words name the part in which it is.
   */
  bad: BadEntry | null;
  /** Entries that have no content any more, as the log itself says; null when it has all. */
  dropped: DroppedVerdict | null;
  /** The checkpoint that covers the entries, when it does. */
  signed: { size: number; at: string } | null;
  /** Entries after the newest checkpoint or witness: only the hub's word is known of them. */
  unattested: number;
  witnesses: WitnessVerdict[];
  /** Of the witnesses outside whose keys were given. */
  cosignatures: CosignatureVerdict[];
};

export type VerifyOptions = {
  onProgress?: (seq: number) => void;
  /** Keys of witnesses outside, known from elsewhere. What they cosigned counts, and no other. */
  witnessKeys?: readonly NoteKey[];
};

/**
 * Verifies a hub's audit log: that its entries follow one another, that they are those which its audit
 * key signed and its agents keep, and that content which is missing was dropped as the log says.
 *
 * @param stretches of its lines, from the first one on
 * @param attestation is not believed: the CA's certificate in it must be known from elsewhere
 * @throws SondeError HUB_UNTRUSTED when keys or checkpoint are not what the CA of that hub stated;
 *   what a line that cannot be read says, unless an entry before it is bad
 */
export async function verifyHubLog(
  stretches: AsyncIterable<Stretch>,
  attestation: Pick<
    AuditAttestation,
    "authority" | "checkpoint" | "cosigned" | "hubId" | "keySet" | "witnesses"
  >,
  { onProgress = () => undefined, witnessKeys = [] }: VerifyOptions = {},
): Promise<HubLogVerdict> {
  const checkpoint = openAttested(attestation);
  const cosignatures = readCosignatures(attestation, witnessKeys);
  const verdict: HubLogVerdict = {
    ...{ head: EMPTY_HEAD, bad: null, dropped: null, signed: null, unattested: 0 },
    witnesses: attestation.witnesses.map((witness) => ({
      ...{ agent: witness.agent, size: witness.size, at: witness.at },
      says:
        readSignedWitness(witness, attestation.hubId) === null
          ? ("unsigned" as const)
          : ("ahead" as const),
    })),
    cosignatures: cosignatures.map(({ verdict: judged }) => judged),
  };
  let covered = 0;
  const seen = { witnesses: attestation.witnesses, cosignatures };
  const stated = listStated(checkpoint, seen, verdict, {
    covered: () => covered,
    cover: (size) => {
      covered = Math.max(covered, size);
    },
  });
  const tree = createGrowingTree();
  const droppedCheck = createDroppedCheck(tree);
  for await (const stretch of stretches) {
    if (!takeStretch(stretch, { verdict, stated, tree, droppedCheck })) break;
    onProgress(verdict.head.size);
  }
  const { size } = verdict.head;
  const dropped = droppedCheck.end();
  if (dropped !== null && "proves" in dropped) verdict.bad ??= dropped;
  else verdict.dropped = dropped;
  verdict.bad ??= explainCut(size, checkpoint, verdict);
  verdict.unattested = Math.max(0, size - covered);
  return verdict;
}

/**
 * The checkpoint, by keys that the CA stated; null before the first one.
 *
 * @throws SondeError HUB_UNTRUSTED
 */
export function openAttested({
  authority,
  keySet,
  hubId,
  checkpoint,
}: Pick<AuditAttestation, "authority" | "checkpoint" | "hubId" | "keySet">): Checkpoint | null {
  const set = openKeySet(keySet, new X509Certificate(authority).publicKey, hubId);
  return checkpoint === null ? null : openHubCheckpoint(checkpoint.note, set);
}

/**
 * When the agent signed that it keeps this checkpoint of that hub's log, by its own clock.
 *
 * @returns null when its key signed something else
 */
export function readSignedWitness(
  { agentId, publicKey, message, size, root }: AuditWitness,
  hubId: string,
): Date | null {
  try {
    const expected = {
      ...{ type: "witness", dir: "agent-to-hub" as const, hubId, agentId },
      keys: [createPublicKey(publicKey)],
    };
    const said = parseWitnessBody(openKeptMessage(message, expected));
    const { iat } = openKeptEnvelope(message.envelope, expected);
    return said.size === size && said.root === root ? new Date(iat) : null;
  } catch (thrown) {
    // A defect of this program is no lie of an agent. A key that Node cannot read has a code too.
    if (!(thrown instanceof Error && "code" in thrown)) throw thrown;
    return null;
  }
}

/** What others than the hub state. */
type Seen = { witnesses: readonly AuditWitness[]; cosignatures: readonly Cosignature[] };

function listStated(
  checkpoint: Checkpoint | null,
  { witnesses, cosignatures }: Seen,
  verdict: HubLogVerdict,
  { covered, cover }: { covered: () => number; cover: (size: number) => void },
): Map<number, Stated[]> {
  const stated = new Map<number, Stated[]>();
  const add = (tree: Stated) => {
    stated.set(tree.size, [...(stated.get(tree.size) ?? []), tree]);
  };
  const differ = (size: number, whose: string) => {
    verdict.bad ??= {
      seq: size,
      proves: `the entries up to ${size} are not those that ${whose}: one of ${covered() + 1} to ${size} was changed, and all after it were written anew`,
    };
  };
  if (checkpoint !== null) {
    const { size, root, at } = checkpoint;
    add({
      ...{ size, root },
      confirm() {
        verdict.signed = { size, at: at.toISOString() };
        cover(size);
      },
      contradict: () => differ(size, `the hub signed at ${at.toISOString()}`),
    });
  }
  for (const [place, { agent, size, root }] of witnesses.entries()) {
    const judged = verdict.witnesses[place];
    if (judged === undefined || judged.says === "unsigned") continue;
    add({
      ...{ size, root: Buffer.from(root, "base64") },
      confirm() {
        judged.says = "same";
        cover(size);
      },
      contradict() {
        judged.says = "another";
        differ(size, `agent ${agent} saw`);
      },
    });
  }
  for (const { verdict: judged, root } of cosignatures) {
    if (root === null) continue;
    add({
      ...{ size: judged.size, root },
      confirm() {
        judged.says = "same";
        cover(judged.size);
      },
      contradict() {
        judged.says = "another";
        differ(judged.size, `the witness ${judged.witness} cosigned at ${judged.at}`);
      },
    });
  }
  return stated;
}

/** Entries that were signed or seen, and are not there. */
function explainCut(
  size: number,
  checkpoint: Checkpoint | null,
  { witnesses, cosignatures }: Pick<HubLogVerdict, "witnesses" | "cosignatures">,
): HubLogVerdict["bad"] {
  if (checkpoint !== null && checkpoint.size > size) {
    return {
      seq: size + 1,
      proves: `the hub signed ${checkpoint.size} entries, and there are ${size}: newer ones were removed`,
    };
  }
  const agents = witnesses.map((one) => ({ ...one, who: `agent ${one.agent}` }));
  const outside = cosignatures.map((one) => ({ ...one, who: `the witness ${one.witness}` }));
  const ahead = [...agents, ...outside].find(({ says }) => says === "ahead");
  if (ahead === undefined) return null;
  return {
    seq: size + 1,
    proves: `${ahead.who} saw ${ahead.size} entries, and there are ${size}: newer ones were removed`,
  };
}
