import { SondeError } from "@sonde/schemas/errors";
import { type Version } from "@sonde/schemas/names";
import {
  type Advisory,
  type PackChange,
  type PackLife,
  type PackSummary,
  type VersionState,
} from "@sonde/schemas/registry";
import semver from "semver";

type StateChange = Extract<PackChange, { type: "yank" | "quarantine" }>;

/** More than any pack needs. Bounds the size of a pack's answers. */
const MAX_ADVISORIES = 200;
export const UNTOUCHED: VersionState = { yanked: null, quarantined: null };

export const NEW_LIFE: PackLife = { deprecated: null, advisories: [], versions: [] };

/**
 * Applies a log entry to a pack's life, so that the life always follows from the log.
 *
 * @returns null when nothing changes
 * @throws SondeError BAD_REQUEST or FORBIDDEN
 */
export function changeLife(
  life: PackLife,
  change: PackChange,
  by: Advisory["by"],
): PackLife | null {
  switch (change.type) {
    case "yank":
    case "quarantine":
      return changeVersion(life, change);
    case "deprecate":
      return life.deprecated === change.message ? null : { ...life, deprecated: change.message };
    case "advisory":
      return changeAdvisory(life, change, by);
  }
}

export function stateOf({ versions }: PackLife, version: Version): VersionState {
  return versions.find((known) => known.version === version)?.state ?? UNTOUCHED;
}

/** Returns the advisories whose range includes the version. Pre-releases within a range count. */
export function advisoriesOf({ advisories }: PackLife, version: Version): Advisory[] {
  return advisories.filter(({ range }) =>
    semver.satisfies(version, range, { includePrerelease: true }),
  );
}

/** Returns what a list says of a pack whose shown version is this one. */
export function saidOf(
  life: PackLife,
  version: Version,
): Pick<PackSummary, "deprecated" | "advisories"> {
  const advisories = advisoriesOf(life, version).map(({ id, severity }) => ({ id, severity }));
  return { deprecated: life.deprecated, advisories };
}

/** Applies a log entry to the state of its version. */
export function changeState(state: VersionState, change: StateChange): VersionState {
  return change.type === "yank"
    ? { ...state, yanked: change.yanked ? change.reason : null }
    : { ...state, quarantined: change.quarantined ? change.reason : null };
}

function changeVersion(life: PackLife, change: StateChange): PackLife | null {
  const { version } = change;
  const before = stateOf(life, version);
  const state = changeState(before, change);
  if (before.yanked === state.yanked && before.quarantined === state.quarantined) return null;
  const others = life.versions.filter((known) => known.version !== version);
  const isUntouched = state.yanked === null && state.quarantined === null;
  return { ...life, versions: isUntouched ? others : [...others, { version, state }] };
}

function changeAdvisory(
  life: PackLife,
  change: Extract<PackChange, { type: "advisory" }>,
  by: Advisory["by"],
): PackLife | null {
  const { id, range, severity, text, at, withdrawn } = change;
  if (semver.validRange(range) === null) {
    throw new SondeError("BAD_REQUEST", `range: expected a range of versions, got ${range}`);
  }
  const before = life.advisories.find((known) => known.id === id);
  if (before?.by === "operator" && by !== "operator") {
    throw new SondeError(
      "FORBIDDEN",
      `advisory ${id}: expected its author, the operator, got the publisher`,
    );
  }
  const others = life.advisories.filter((known) => known.id !== id);
  if (withdrawn) return before === undefined ? null : { ...life, advisories: others };
  const isSame = before?.range === range && before.severity === severity && before.text === text;
  if (isSame && before.by === by) return null;
  if (others.length >= MAX_ADVISORIES) {
    throw new SondeError("BAD_REQUEST", `expected at most ${MAX_ADVISORIES} advisories, got more`);
  }
  return { ...life, advisories: [...others, { id, range, severity, text, at, by }] };
}
