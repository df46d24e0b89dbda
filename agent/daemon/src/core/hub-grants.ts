import { SondeError, toSondeError } from "@sonde/schemas/errors";
import type { Digest, PackName } from "@sonde/schemas/names";
import type { HubGrant, HubGrantsBody } from "@sonde/schemas/wire";
import type { KeptMessage } from "@sonde/trust/envelope";
import type { AgentEvent } from "./record-event.ts";

/** What the agent keeps of the grants that people gave at its hub. */
export type SavedHubGrants = {
  /** The highest revision that it took over. */
  revision: number;
  /** The message that the hub signed; null before the first one. */
  message: KeptMessage | null;
  /** Grants in that message that do not count, as `PACK DIGEST`. */
  dropped: readonly string[];
};

/** What is kept before the first message. */
export const NO_HUB_GRANTS: SavedHubGrants = { revision: 0, message: null, dropped: [] };

export type HubGrantsPorts = {
  /** Verifies and parses a kept message. @throws SondeError */
  open: (message: KeptMessage) => HubGrantsBody;
  /** Makes it durable. Throws when it cannot. */
  save: (saved: SavedHubGrants) => void;
  record: (event: AgentEvent) => void;
};

/**
 * The grants of the hub that the agent took over. A list never goes back to an earlier one: neither a
 * replayed message nor a hub that was restored from a backup brings back what a person took away.
 * What of a grant counts, `combineGrants` decides.
 */
export class HubGrants {
  readonly #ports: HubGrantsPorts;
  #revision: number;
  #grants: readonly HubGrant[];

  constructor(ports: HubGrantsPorts, saved: SavedHubGrants) {
    this.#ports = ports;
    this.#revision = saved.revision;
    this.#grants = this.#openSaved(saved);
  }

  /** Of the list that was taken over last; 0 before the first one. */
  revision(): number {
    return this.#revision;
  }

  all(): readonly HubGrant[] {
    return this.#grants;
  }

  /** The grant for exactly this archive of the pack, if there is one. */
  of(pack: PackName, digest: Digest): HubGrant | null {
    return this.#grants.find((grant) => isFor(grant, pack, digest)) ?? null;
  }

  /**
   * Takes over the hub's list. It is durable when this returns.
   *
   * @returns false when nothing was taken over; why is in the audit log
   */
  take(body: HubGrantsBody, message: KeptMessage): boolean {
    if (body.revision < this.#revision) {
      this.#refuse("HUB_ROLLED_BACK", `revision ${body.revision} is older than ${this.#revision}`);
      return false;
    }
    const dropped = body.grants.filter((grant) => !this.#isNewOrKnown(grant)).map(nameOf);
    try {
      this.#ports.save({ revision: body.revision, message, dropped });
    } catch (thrown) {
      const { code, message: why } = toSondeError(thrown);
      this.#refuse(code, why);
      return false;
    }
    if (dropped.length > 0) this.#refuse("HUB_ROLLED_BACK", `given before: ${dropped.join(", ")}`);
    this.#revision = body.revision;
    this.#grants = body.grants.filter((grant) => !dropped.includes(nameOf(grant)));
    return true;
  }

  /** Forgets everything. This is the act of a person on this host, who accepts the hub as it is. */
  forget(): void {
    this.#ports.save(NO_HUB_GRANTS);
    this.#revision = 0;
    this.#grants = [];
  }

  /** Attack 80: a grant that is not here any more, or was another one, was taken away by a person. */
  #isNewOrKnown(grant: HubGrant): boolean {
    const known = this.of(grant.pack, grant.digest);
    if (grant.given > this.#revision) return true;
    return known !== null && JSON.stringify(known) === JSON.stringify(grant);
  }

  /** A list whose signer does not count any more is sent again by the hub. Until then nothing counts. */
  #openSaved({ message, dropped }: SavedHubGrants): readonly HubGrant[] {
    if (message === null) return [];
    try {
      const { grants } = this.#ports.open(message);
      return grants.filter((grant) => !dropped.includes(nameOf(grant)));
    } catch (thrown) {
      const { code, message: why } = toSondeError(thrown);
      this.#refuse(code, why);
      return [];
    }
  }

  #refuse(code: SondeError["code"], message: string): void {
    const detail = { message: message.slice(0, 500) };
    this.#ports.record({ event: "hub-grants.refused", status: "denied", code, detail });
  }
}

function isFor(grant: HubGrant, pack: PackName, digest: Digest): boolean {
  return grant.pack === pack && grant.digest === digest;
}

function nameOf({ pack, digest }: HubGrant): string {
  return `${pack} ${digest}`;
}
