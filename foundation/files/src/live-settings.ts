/** What a configuration that was read while its process runs comes to. */
export type TakenSettings<Config> = {
  /** The configuration of the start, with the live settings of the new one. */
  inForce: Config;
  /** One line: what was taken over, against the last one, and what waits for a restart. */
  said: string;
};

/**
 * Returns a function that takes over the live settings of each further configuration of a running
 * process.
 *
 * @param live the settings that can be another while it runs, such as `http.publicHosts`; with all
 *   beneath them
 */
export function createLiveSettings<Config extends object>(
  started: Config,
  live: readonly string[],
): (next: Config) => TakenSettings<Config> {
  const isLive = (path: string): boolean =>
    live.some((known) => path === known || path.startsWith(`${known}.`));
  let last = started;
  return (next) => {
    const taken = listDifferences(last, next).filter(isLive);
    const waiting = listDifferences(started, next).filter((path) => !isLive(path));
    last = next;
    const said = [
      taken.length === 0 ? "nothing to take over" : `taken over: ${taken.join(", ")}`,
      ...(waiting.length === 0 ? [] : [`restart to apply: ${waiting.join(", ")}`]),
    ].join("; ");
    // Its live members have the type that they have in `next`, and the others that of `started`.
    return { inForce: merge(started, next, isLive) as Config, said };
  };
}

/** The paths of the members that differ. A list is one member. */
function listDifferences(before: object, after: object): string[] {
  return namesOf(before, after).flatMap((name) => {
    const [a, b] = [memberOf(before, name), memberOf(after, name)];
    if (isRecord(a) || isRecord(b)) {
      const beneath = listDifferences(isRecord(a) ? a : {}, isRecord(b) ? b : {});
      return beneath.map((path) => `${name}.${path}`);
    }
    return JSON.stringify(a) === JSON.stringify(b) ? [] : [name];
  });
}

function merge(
  started: object,
  next: object,
  isLive: (path: string) => boolean,
  above = "",
): object {
  const members = namesOf(started, next).flatMap((name): [string, unknown][] => {
    const [a, b] = [memberOf(started, name), memberOf(next, name)];
    const path = `${above}${name}`;
    if (isLive(path)) return b === undefined ? [] : [[name, b]];
    // What is above a live setting may come and go with it.
    if ((a === undefined || isRecord(a)) && (b === undefined || isRecord(b))) {
      const merged = merge(a ?? {}, b ?? {}, isLive, `${path}.`);
      return a === undefined && Object.keys(merged).length === 0 ? [] : [[name, merged]];
    }
    return a === undefined ? [] : [[name, a]];
  });
  return Object.fromEntries(members);
}

function namesOf(one: object, other: object): string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].toSorted();
}

function memberOf(record: object, name: string): unknown {
  return Object.hasOwn(record, name) ? Reflect.get(record, name) : undefined;
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
