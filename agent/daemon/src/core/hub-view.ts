import { createPublicKey, type KeyObject } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import {
  CHECKPOINTS,
  type CheckpointBody,
  type DsseEnvelope,
  type KeySet,
  type LogHead,
  type WelcomeBody,
  type WitnessBody,
} from "@sonde/schemas/wire";
import { compareKeySets, keyIdOf, openKeySet, openSignedHead } from "@sonde/trust/envelope";
import { demandGrowth, openHubCheckpoint } from "@sonde/trust/hub-log";
import type { AgentEvent } from "./record-event.ts";

/** What the agent keeps of its hub across restarts. */
export type SavedHubView = {
  /** The newest key set that it took over, as the hub's CA signed it. */
  keySet: DsseEnvelope | null;
  /** The newest head of the hub's audit log in that epoch. */
  auditHead: LogHead | null;
  /** The same head as the hub's audit key signed it; absent from a hub that signs no heads. */
  signedHead?: DsseEnvelope;
  /** The newest checkpoint of the hub's log in that epoch; absent from a hub that has none. */
  checkpoint?: SavedCheckpoint;
};
/** A checkpoint with what its note says: the key that signed it may have left the key set since. */
export type SavedCheckpoint = WitnessBody & { note: string };
/** What a hub states of its audit log in a welcome. */
export type StatedLog = Pick<
  WelcomeBody,
  "auditHead" | "checkpoint" | "protocol" | "seenHead" | "signedHead"
>;

/** What is kept of a hub before the first session. */
export const NOTHING_SEEN: SavedHubView = { keySet: null, auditHead: null };

export type HubViewPorts = {
  hubId: string;
  /** The CA that was pinned at enrolment. */
  root: KeyObject;
  /** The command key of the time of the enrolment. */
  enrolledKey: KeyObject;
  /** Unix time in ms. */
  now: () => number;
  /** Makes the view durable. Throws when it cannot. */
  save: (view: SavedHubView) => void;
  record: (event: AgentEvent) => void;
};

/** The newest state of its hub that the agent saw. It never goes back (identity rule 7). */
export class HubView {
  readonly #ports: HubViewPorts;
  #saved: SavedHubView;
  #set: KeySet | null;
  /** The key that signs the hub's messages by the newest key set. */
  #key: KeyObject;

  constructor(ports: HubViewPorts, saved: SavedHubView) {
    this.#ports = ports;
    this.#saved = saved;
    this.#set = saved.keySet === null ? null : openKeySet(saved.keySet, ports.root, ports.hubId);
    this.#key = this.#set === null ? ports.enrolledKey : signingKey(this.#set);
  }

  /** The place of the newest key set, as `EPOCH.VERSION`. */
  place(): string {
    return this.#set === null ? "0.0" : `${this.#set.epoch}.${this.#set.version}`;
  }

  /**
   * Takes over a key set that the hub sent, if it is newer. It is durable when this returns.
   *
   * @throws SondeError HUB_UNTRUSTED unless the pinned CA signed it and it is in force;
   *   HUB_ROLLED_BACK for one that is older than the newest one, or another one at its place
   */
  takeKeySet(envelope: DsseEnvelope): void {
    const set = openKeySet(envelope, this.#ports.root, this.#ports.hubId);
    this.#demandInForce(set);
    const known = this.#saved.keySet;
    const order = this.#set === null ? 1 : compareKeySets(set, this.#set);
    if (order === 0 && envelope.payload === known?.payload) return;
    if (order <= 0) {
      throw new SondeError(
        "HUB_ROLLED_BACK",
        `expected key set ${this.place()} or a later one, got another ${set.epoch}.${set.version}`,
      );
    }
    const before = this.#set;
    // A restored hub begins a new epoch with an older log.
    const kept = before?.epoch === set.epoch ? this.#saved : NOTHING_SEEN;
    this.#save({ ...kept, keySet: envelope });
    this.#set = set;
    this.#takeKey(set);
  }

  /** The newest head of the hub's log; null before the first one. */
  seenHead(): LogHead | null {
    return this.#saved.auditHead;
  }

  /**
   * Takes over the head of the hub's audit log, which only grows within an epoch. It is durable when
   * this returns.
   *
   * @param sessionId of the session in which the hub states it
   * @throws SondeError HUB_ROLLED_BACK for a log that does not contain what the agent saw of it,
   *   HUB_UNTRUSTED for a head that the audit key did not sign for this session
   */
  takeHead(stated: StatedLog, sessionId: string): void {
    // Hubs of earlier releases send no key set, and several of them may be at different heads.
    if (this.#set === null) return;
    const { auditHead: head, seenHead: same, signedHead } = stated;
    this.#demandSigned(this.#set, stated, sessionId);
    const seen = this.#saved.auditHead;
    // The size alone does not tell: the log of a hub that went back grows again.
    if (seen !== null && (head.size < seen.size || same?.hash !== seen.hash)) {
      throw new SondeError(
        "HUB_ROLLED_BACK",
        `expected the hub's log to have entry ${seen.size} as this agent saw it, got another or none among ${head.size}`,
      );
    }
    const checkpoint = this.#checkStated(this.#set, stated);
    if (head.size === seen?.size && checkpoint === this.#saved.checkpoint) return;
    const signed = signedHead === undefined ? {} : { signedHead };
    const kept = checkpoint === undefined ? {} : { checkpoint };
    this.#save({ keySet: this.#saved.keySet, auditHead: head, ...signed, ...kept });
  }

  /** The newest checkpoint of the hub's log that is durable here; null before the first one. */
  seenCheckpoint(): WitnessBody | null {
    const { checkpoint } = this.#saved;
    return checkpoint === undefined ? null : { size: checkpoint.size, root: checkpoint.root };
  }

  /**
   * Takes over a checkpoint of the hub's log. It is durable when this returns.
   *
   * @throws SondeError HUB_ROLLED_BACK when the log does not begin with what this agent saw of it,
   *   HUB_UNTRUSTED when no audit key signed the checkpoint
   */
  takeCheckpoint(body: CheckpointBody): void {
    if (this.#set === null) return;
    const checkpoint = this.#checkGrowth(this.#set, body);
    if (checkpoint === this.#saved.checkpoint) return;
    this.#save({ ...this.#saved, checkpoint });
  }

  #checkStated(set: KeySet, { checkpoint, protocol }: StatedLog): SavedCheckpoint | undefined {
    if (checkpoint !== undefined) return this.#checkGrowth(set, checkpoint);
    const seen = this.#saved.checkpoint;
    // A hub of an earlier release signs none. What this agent saw counts again when it does.
    if (seen === undefined || protocol?.features.includes(CHECKPOINTS) !== true) return seen;
    throw new SondeError(
      "HUB_ROLLED_BACK",
      `expected a checkpoint of the hub's log with the ${seen.size} entries that this agent saw, got none`,
    );
  }

  #checkGrowth(set: KeySet, body: CheckpointBody): SavedCheckpoint {
    const seen = this.#saved.checkpoint;
    const now = openHubCheckpoint(body.note, set);
    const root = now.root.toString("base64");
    if (seen !== undefined) {
      const growth = body.growth.map((hash) => Buffer.from(hash, "base64"));
      demandGrowth({ size: seen.size, root: Buffer.from(seen.root, "base64") }, now, growth);
      if (now.size === seen.size) return seen;
    }
    return { size: now.size, root, note: body.note };
  }

  /** The command key signed the welcome, and must not be able to state a head (identity rule 10). */
  #demandSigned({ auditKeys }: KeySet, stated: StatedLog, sessionId: string): void {
    // A hub of before the audit key. A set that has none any more is also signed by the CA.
    if (auditKeys === undefined) return;
    const { auditHead, seenHead = null, signedHead } = stated;
    const signed = signedHead === undefined ? null : openSignedHead(signedHead, auditKeys);
    const isSame =
      signed?.hubId === this.#ports.hubId &&
      signed.sessionId === sessionId &&
      isSameHead(signed.head, auditHead) &&
      isSameHead(signed.seen, seenHead);
    if (isSame) return;
    throw new SondeError(
      "HUB_UNTRUSTED",
      `expected the head of the hub's log, signed by its audit key for this session, got ${signed === null ? "none" : "another"}`,
    );
  }

  /**
   * Forgets what was seen, so that the hub is accepted as it is now. This is the act of a person on
   * this host.
   */
  forget(): void {
    const detail = { place: this.place(), auditHead: this.#saved.auditHead };
    this.#ports.record({ event: "hub.accepted", status: "info", code: null, detail });
    this.#save(NOTHING_SEEN);
    this.#set = null;
    this.#key = this.#ports.enrolledKey;
  }

  /**
   * The key that signs the hub's messages now.
   *
   * @throws SondeError HUB_UNTRUSTED when the key set has expired and the hub sent no other
   */
  commandKey(): KeyObject {
    if (this.#set !== null) this.#demandInForce(this.#set);
    return this.#key;
  }

  /** Every key that may have signed what the hub sent before and still counts. */
  commandKeys(): KeyObject[] {
    if (this.#set === null) return [this.#ports.enrolledKey];
    return this.#set.commandKeys.map(({ publicKey }) => createPublicKey(publicKey));
  }

  #demandInForce({ expiresAt }: KeySet): void {
    if (Date.parse(expiresAt) > this.#ports.now()) return;
    throw new SondeError(
      "HUB_UNTRUSTED",
      `expected a key set that is in force, got one that ended at ${expiresAt}`,
    );
  }

  #save(view: SavedHubView): void {
    this.#ports.save(view);
    this.#saved = view;
  }

  #takeKey(set: KeySet): void {
    const from = keyIdOf(this.#key);
    this.#key = signingKey(set);
    const to = keyIdOf(this.#key);
    if (from === to) return;
    const detail = { from, to, epoch: set.epoch, version: set.version };
    this.#ports.record({ event: "command-key.changed", status: "info", code: null, detail });
  }
}

function isSameHead(left: LogHead | null, right: LogHead | null): boolean {
  return left?.size === right?.size && left?.hash === right?.hash;
}

function signingKey({ commandKeys: [present] }: KeySet): KeyObject {
  if (present === undefined) throw new Error("a key set has at least one key");
  return createPublicKey(present.publicKey);
}
