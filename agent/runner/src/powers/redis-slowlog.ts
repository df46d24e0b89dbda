import { SondeError } from "@sonde/schemas/errors";
import type { RedisData } from "@sonde/schemas/reads";

type Reply = RedisData["reply"];

/** Where an entry of the slow log has its arguments: after its number, time and duration. */
const ARGUMENTS_AT = 3;
/** A name that an administrator gave a command to hide it has digits, as any secret. */
const NAME = /^[A-Za-z][A-Za-z._-]{0,31}$/;
/** Commands whose first argument is the name of what they do. */
const CONTAINERS: ReadonlySet<string> = new Set([
  ...["ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "FUNCTION", "LATENCY", "MEMORY"],
  ...["MODULE", "OBJECT", "PUBSUB", "SCRIPT", "SLOWLOG", "XGROUP", "XINFO"],
]);
/** The server cuts a long argument and a long list of them, and says how much is not there. */
const CUT_BYTES = /\.\.\. \((\d{1,12}) more bytes\)$/;
const CUT_LIST = /^\.\.\. \((\d{1,9}) more arguments\)$/;

/**
 * Leaves out what commands of others were given: keys and values. An entry keeps the name of the
 * command, how many arguments it had, their bytes together and those of the largest.
 *
 * @param reply its texts have a character for each byte
 * @throws SondeError READ_FAILED for an answer that is no slow log
 */
export function withoutArguments(reply: Reply): Reply {
  if (!Array.isArray(reply)) throw noLog();
  return reply.map((entry) => {
    const given = Array.isArray(entry) ? entry[ARGUMENTS_AT] : undefined;
    if (!Array.isArray(entry) || !Array.isArray(given)) throw noLog();
    return entry.with(ARGUMENTS_AT, describe(given.map(String)));
  });
}

function describe(given: readonly string[]): (string | number)[] {
  const [name = "", ...rest] = given;
  const [first] = rest;
  const isContainer = CONTAINERS.has(name.toUpperCase()) && first !== undefined && NAME.test(first);
  const shown = NAME.test(name) ? name.toUpperCase() : "?";
  const command = isContainer ? `${shown} ${first.toUpperCase()}` : shown;
  const ofCommand = isContainer ? rest.slice(1) : rest;
  const [, more] = CUT_LIST.exec(ofCommand.at(-1) ?? "") ?? [];
  const kept = more === undefined ? ofCommand : ofCommand.slice(0, -1);
  const sizes = kept.map(sizeOf);
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  return [command, kept.length + Number(more ?? 0), bytes, Math.max(0, ...sizes)];
}

function sizeOf(argument: string): number {
  const cut = CUT_BYTES.exec(argument);
  return cut === null ? argument.length : cut.index + Number(cut[1]);
}

function noLog(): SondeError {
  return new SondeError("READ_FAILED", "expected an entry of the slow log, got something else");
}
