import type { HubMayGrant } from "@sonde/schemas/agent";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type Digest, type PackName, type Version } from "@sonde/schemas/names";
import { createTurns } from "@sonde/schemas/parse";
import { type AdmittedPack } from "@sonde/schemas/trust";
import { type DesiredStateBody, type HubGrant, type PackReport } from "@sonde/schemas/wire";
import { type OwnRules, scrubSentence } from "@sonde/scrub";
import { type ActivePack, buildActivePack } from "./active-pack.ts";
import type { JudgedArchive } from "./approval-report.ts";
import type { Ceiling } from "./ceiling.ts";
import { combineGrants } from "./combine-grants.ts";
import { planDesiredState } from "./desired-state.ts";
import type { Grant, Grants } from "./grants.ts";
import { listPackEvents } from "./pack-events.ts";
import { buildPackReports } from "./pack-report.ts";
import { type HostRules, type Pack, type PackVersion, judgePack } from "./pack-state.ts";
import type { AgentEvent } from "./record-event.ts";
import { type SavedPacks, type SavedVersion, buildSavedPacks } from "./saved-packs.ts";

type Archive = { name: PackName; version: Version; digest: Digest };
/** Each admission is a process that unpacks an archive. */
const MAX_ADMISSIONS = 2;

/** The outside functions that Packs depends on. */
export type PacksPorts = {
  ceiling: Ceiling;
  program: HostRules["program"];
  /** The operator's own patterns of secrets. */
  ownRules: OwnRules;
  /** Fetches, verifies and stores an archive. Rejects with a SondeError. */
  admit: (archive: Archive) => Promise<AdmittedPack>;
  /** Reads a stored archive and verifies it against its digests again. */
  readAdmitted: (digest: Digest) => Promise<AdmittedPack>;
  codePathOf: (digest: Digest) => string;
  readGrants: () => Grants;
  /** What the hub granted to exactly this archive. */
  hubGrantOf: (name: PackName, digest: Digest) => HubGrant | null;
  /** What the host lets the hub grant. */
  hubMayGrant: HubMayGrant;
  /** Looks whether a person revoked the pack on this host. */
  isRevoked: (name: PackName) => boolean;
  hasRunner: HostRules["hasRunner"];
  whyStopped: HostRules["whyStopped"];
  /** Called when an archive goes out of service; its pack hosts must end. */
  drop: (digest: Digest) => void;
  /** Durable when it returns. */
  save: (state: SavedPacks) => void;
  /** Called when `save` threw. */
  reportUnsaved: (error: SondeError) => void;
  record: (event: AgentEvent) => void;
};

/**
 * The packs of this host, with the state of each. Only this class holds ActivePacks;
 * `find` returns one only while it is granted.
 */
export class Packs {
  readonly #ports: PacksPorts;
  readonly #active = new Map<PackName, ActivePack>();
  readonly #floors = new Map<PackName, Version>();
  readonly #fetching = new Set<Digest>();
  readonly #listeners: (() => void)[] = [];
  readonly #inTurn = createTurns(MAX_ADMISSIONS);
  #packs: Pack[] = [];
  #grants: Grants;
  #revision = 0;
  #isSaved = true;

  constructor(ports: PacksPorts) {
    this.#ports = ports;
    this.#grants = ports.readGrants();
  }

  /** Restores the packs that were saved before the last stop. */
  async restore(saved: SavedPacks | null): Promise<void> {
    this.#revision = saved?.revision ?? 0;
    for (const [name, version] of Object.entries(saved?.floors ?? {})) {
      this.#floors.set(name, version);
    }
    const packs: Pack[] = [];
    for (const { name, current, candidate } of saved?.packs ?? []) {
      packs.push({
        name,
        current: await this.#restoreVersion(current, "active"),
        candidate: await this.#restoreVersion(candidate, "verified"),
      });
    }
    this.#packs = packs;
    this.reload();
  }

  /**
   * Applies the hub's desired state. Resolves when every new archive is admitted or
   * refused. Ignores a revision older than the last one.
   */
  async apply(desired: DesiredStateBody): Promise<void> {
    if (desired.revision < this.#revision) return;
    this.#revision = desired.revision;
    const plan = planDesiredState(this.#packs, desired.packs);
    this.#change(plan.packs);
    await Promise.all(plan.fetch.map((archive) => this.#admit(archive)));
  }

  /** Retries what failed for a temporary reason, such as a registry that was down. */
  async retry(): Promise<void> {
    if (!this.#isSaved) this.#save();
    const archives = this.#packs.flatMap(({ name, current, candidate }) =>
      [current, candidate].flatMap((aim) =>
        aim?.admitted === null && isPassing(aim)
          ? [{ name, version: aim.version, digest: aim.digest }]
          : [],
      ),
    );
    await Promise.all(archives.map((archive) => this.#admit(archive)));
  }

  /** Reads the grants again and sets every pack's state by them and the host's rules. */
  reload(): void {
    this.#grants = this.#ports.readGrants();
    this.#change(this.#packs);
  }

  /** Sets every pack's state by the host's present rules, without reading the grants again. */
  judgeAgain(): void {
    this.#change(this.#packs);
  }

  /** Returns the pack in service under that name, or the error that says why there is none. */
  find(name: PackName): ActivePack | SondeError {
    const served = this.#active.get(name);
    // For what people on the host granted, the runner looks again. What the hub granted ends here.
    if (served?.grant.byHub !== undefined && this.#ports.isRevoked(name)) this.reload();
    const active = this.#active.get(name);
    if (active !== undefined) return active;
    const pack = this.#packs.find((candidate) => candidate.name === name);
    if (pack === undefined) return new SondeError("PROBE_UNKNOWN", `there is no pack ${name} here`);
    const state = (pack.candidate ?? pack.current)?.state ?? "unknown";
    return new SondeError("PACK_NOT_ACTIVE", `expected ${name} to be active, it is ${state}`);
  }

  /**
   * Returns the version that awaits a decision, with its grant: the candidate, else the
   * current version.
   */
  inspect(name: PackName): { version: PackVersion; grant: Grant | null; revoked: boolean } | null {
    const pack = this.#packs.find((candidate) => candidate.name === name);
    const version = pack?.candidate ?? pack?.current ?? null;
    if (version === null) return null;
    const revoked = this.#grants.revoked.has(name);
    return { version, grant: this.#grantOf(name, version), revoked };
  }

  reports(): PackReport[] {
    return buildPackReports(
      this.#packs,
      (name, version) => this.#grantOf(name, version),
      this.#ports,
    );
  }

  /** The verified archives, with what was granted to each. */
  archives(): JudgedArchive[] {
    return this.#packs.flatMap(({ name, current, candidate }) =>
      [current, candidate].flatMap((version) => {
        if (version === null || version.admitted === null) return [];
        const { digest, admitted } = version;
        const host = this.#grants.byPack.get(name) ?? null;
        const grant = this.#grantOf(name, version);
        return [{ digest, admitted, host, grant, refused: this.#grants.revoked.has(name) }];
      }),
    );
  }

  /** The archives in the store: those that were verified, and those whose files are others now. */
  stored(): (PackVersion & { name: PackName })[] {
    return this.#packs.flatMap(({ name, current, candidate }) =>
      [current, candidate].flatMap((version) =>
        version !== null &&
        (version.admitted !== null || version.reason?.code === "DIGEST_MISMATCH")
          ? [{ name, ...version }]
          : [],
      ),
    );
  }

  /** Registers a callback that runs after any report changed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * @param state the state before judging: a version that served before does not wait for
   *   its runner
   */
  async #restoreVersion(
    saved: SavedVersion,
    state: "active" | "verified",
  ): Promise<PackVersion | null> {
    if (saved === null) return null;
    const version: PackVersion = { ...saved, state, reason: null, admitted: null };
    try {
      return { ...version, admitted: await this.#ports.readAdmitted(saved.digest) };
    } catch (thrown) {
      return fail(version, thrown);
    }
  }

  async #admit(archive: Archive): Promise<void> {
    if (this.#fetching.has(archive.digest)) return;
    this.#fetching.add(archive.digest);
    try {
      const admitted = await this.#inTurn(async () =>
        this.#wants(archive) ? this.#ports.admit(archive) : null,
      );
      if (admitted === null) return;
      this.#update(archive, (version) => ({
        ...version,
        state: "verified",
        reason: null,
        admitted,
      }));
    } catch (thrown) {
      const { code, message } = toSondeError(thrown);
      this.#ports.record({
        event: "pack.refused",
        packDigest: archive.digest,
        status: "denied",
        code,
        detail: {
          pack: archive.name,
          version: archive.version,
          message: scrubSentence(message, 500, this.#ports.ownRules),
        },
      });
      this.#update(archive, (version) => fail(version, thrown));
    } finally {
      this.#fetching.delete(archive.digest);
    }
  }

  /** False when the desired state changed while the archive waited in the queue. */
  #wants({ name, digest }: Archive): boolean {
    const pack = this.#packs.find((candidate) => candidate.name === name);
    return pack?.current?.digest === digest || pack?.candidate?.digest === digest;
  }

  /** Changes the version of that archive. Does nothing if the version is no longer wanted. */
  #update(archive: Archive, change: (version: PackVersion) => PackVersion): void {
    const apply = (version: PackVersion | null) =>
      version?.digest === archive.digest ? change(version) : version;
    this.#change(
      this.#packs.map((pack) =>
        pack.name === archive.name
          ? { ...pack, current: apply(pack.current), candidate: apply(pack.candidate) }
          : pack,
      ),
    );
  }

  /**
   * The only way to change packs: sets states, puts packs into service, saves, records
   * and notifies.
   */
  #change(packs: Pack[]): void {
    const before = this.reports();
    const served = new Map(
      [...this.#active].map(([name, { admitted }]) => [name, admitted.digest]),
    );
    const host = {
      ceiling: this.#ports.ceiling,
      program: this.#ports.program,
      hasRunner: this.#ports.hasRunner,
      whyRefused: this.#grants.whyRefused,
      whyStopped: this.#ports.whyStopped,
      floorOf: (name: PackName) => this.#floors.get(name) ?? null,
    };
    this.#packs = packs.map((pack) =>
      judgePack(pack, (version) => this.#grantOf(pack.name, version), host),
    );
    // Comes first: a failure further down must not keep a revoked pack in service.
    this.#serve();
    for (const [name, digest] of served) {
      if (this.#active.get(name)?.admitted.digest !== digest) this.#ports.drop(digest);
    }
    this.#save();
    const after = this.reports();
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    for (const event of listPackEvents(before, after)) this.#ports.record(event);
    for (const listener of this.#listeners) listener();
  }

  /**
   * What was granted to this version. Where a person revoked the pack on this host, or what they
   * granted cannot be read, nothing of the hub counts.
   */
  #grantOf(name: PackName, { admitted }: PackVersion): Grant | null {
    const { byPack, revoked, whyRefused } = this.#grants;
    const host = byPack.get(name) ?? null;
    if (admitted === null || revoked.has(name) || whyRefused(name) !== null) return host;
    const hub = this.#ports.hubGrantOf(name, admitted.digest);
    return combineGrants(admitted, host, hub, this.#ports.hubMayGrant);
  }

  /**
   * A full disk does not stop the agent. The state in memory counts, and `retry` saves it
   * again.
   */
  #save(): void {
    try {
      this.#ports.save(buildSavedPacks(this.#revision, this.#packs, this.#floors));
      this.#isSaved = true;
    } catch (thrown) {
      this.#isSaved = false;
      this.#ports.reportUnsaved(toSondeError(thrown));
    }
  }

  #serve(): void {
    this.#active.clear();
    for (const { name, current } of this.#packs) {
      if (current?.state !== "active" || current.admitted === null) continue;
      const grant = this.#grantOf(name, current);
      if (grant === null) continue;
      const codePath = this.#ports.codePathOf(current.digest);
      this.#floors.set(name, current.version);
      this.#active.set(name, buildActivePack(current.admitted, codePath, grant, this.#ports));
    }
  }
}

function fail(version: PackVersion, thrown: unknown): PackVersion {
  const { code, message } = toSondeError(thrown);
  return { ...version, state: "failed", reason: { code, message }, admitted: null };
}

function isPassing(version: PackVersion): boolean {
  return version.state === "fetched" || version.reason?.code === "REGISTRY_UNAVAILABLE";
}
