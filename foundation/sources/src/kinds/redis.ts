import { SondeError } from "@sonde/schemas/errors";
import { MAX_SLOWLOG, REDIS_COMMANDS, type RedisSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { checkWay } from "../check-way.ts";
import { quote } from "../quote.ts";
import { type HoleText, filledWith } from "../render-template.ts";
import { renderSetting, settingsOf } from "../setting.ts";
import type { SourceRules } from "../source-rules.ts";
import { holePattern } from "../template.ts";

/** The one command with an argument that is not fixed. */
const COUNTED = "SLOWLOG GET";

export const redisRules: SourceRules<"redis"> = {
  title: "Asks a Redis server of the host a fixed command that only looks",
  words: () => [],
  settings: ({ endpoint, newest }) => settingsOf([endpoint, "endpoint"], [newest, "integer"]),
  check(source, refuse) {
    const { command, newest, holes } = source;
    checkWay(source, refuse);
    if ((newest !== undefined) !== (command === COUNTED)) {
      refuse(`expected newest with ${COUNTED}, and with no other command`);
    }
    if (typeof newest !== "object") return;
    const hole = new Map(Object.entries(holes ?? {})).get(newest.hole);
    if (hole?.type !== "integer" || hole.minimum < 1 || hole.maximum > MAX_SLOWLOG) {
      return refuse(
        `expected hole ${newest.hole} to be an integer from 1 to ${MAX_SLOWLOG} at most`,
      );
    }
    if (hole.optional === true) refuse(`expected hole ${newest.hole} to be always filled`);
  },
  // The list has no command that does more.
  level: () => "observe",
  needs(source) {
    const patternOf = (hole: string): string => holePattern(hole, source.holes);
    const where = source.socket ?? renderSetting(source.endpoint, patternOf);
    return { sockets: `${where} REDIS ${show(source, patternOf)}` };
  },
  window: ({ maxBytes }) => ({ part: "first", bytes: maxBytes }),
  describe(source, textOf) {
    const { socket, endpoint } = source;
    const where =
      socket === undefined ? `redis://${renderSetting(endpoint, textOf)}` : `unix:${socket}`;
    return `${show(source, textOf)} over ${where}`;
  },
};

function show({ command, newest }: RedisSource, textOf: HoleText): string {
  return newest === undefined ? command : `${command} ${renderSetting(newest, textOf)}`;
}

const KNOWN: ReadonlySet<string> = new Set(REDIS_COMMANDS);

/**
 * Renders the words that are sent, for filled holes. Checks them again: who asks may be wrong about
 * what is in the list.
 *
 * @throws SondeError READ_NOT_GRANTED for a command that is not in the list, PARAMS_INVALID for a count
 */
export function renderRedisCommand(source: RedisSource, values: FilledRead["values"]): string[] {
  const { command, newest } = source;
  if (!KNOWN.has(command)) {
    throw new SondeError(
      "READ_NOT_GRANTED",
      `expected a command of Redis that only looks (docs/pack-reference.md), got ${quote(command)}`,
    );
  }
  if (command !== COUNTED) return command.split(" ");
  const text = renderSetting(newest, filledWith(values));
  if (!/^[1-9][0-9]{0,3}$/.test(text) || Number(text) > MAX_SLOWLOG) {
    throw new SondeError("PARAMS_INVALID", `expected a count from 1 to ${MAX_SLOWLOG}`);
  }
  return [...command.split(" "), text];
}
