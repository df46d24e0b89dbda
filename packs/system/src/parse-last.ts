import { splitLines } from "@sonde/pack-sdk/parse";

/** A row of `last -x -w -a --time-format=iso`: a session, a boot or a shutdown. The newest is first. */
export type Row = {
  /** `reboot`, `shutdown`, `runlevel`, or the user. */
  name: string;
  /** For a session the terminal. */
  line: string;
  /** ISO 8601, UTC */
  from: string;
  until: string | null;
  /** `crash`, `down`, `still running`, `still logged in`, `gone - no logout`; empty for a time. */
  end: string;
  /** Whence a user came, or the kernel that ran; empty when not recorded. */
  host: string;
};

export type Last = { rows: Row[]; since: string | null; unreadableCount: number; isFull: boolean };

const MAX_ROWS = 1000;
const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d`;
const ROW = new RegExp(
  String.raw`^(\S+) +(\S(?:.*?\S)?) +(${TIME})(?: +- (\S+) +\([^)]*\)| +(still [a-z ]*[a-z]|gone - no logout))(?: +(\S.*))?$`,
);
const SINCE = new RegExp(String.raw`^\S+ begins (${TIME})$`);

export function parseLast(look: { stdout: string; truncated: boolean }): Last {
  const lines = splitLines(look.stdout).filter((line) => line !== "");
  if (look.truncated) lines.pop();
  const found = lines.map((line) => ROW.exec(line.trimEnd()));
  const [since] = lines.flatMap((line) => SINCE.exec(line)?.[1] ?? []);
  const rows = found.flatMap((row): Row[] => {
    if (row === null) return [];
    const [, name = "", line = "", from = "", until = "", still = "", host = ""] = row;
    const isTime = !Number.isNaN(Date.parse(until));
    return [
      {
        ...{ name, line, host, from: toUtc(from) },
        until: isTime ? toUtc(until) : null,
        end: isTime ? "" : still || until,
      },
    ];
  });
  return {
    ...{ rows, since: since === undefined ? null : toUtc(since) },
    unreadableCount: lines.length - rows.length - (since === undefined ? 0 : 1),
    isFull: look.truncated || lines.length >= MAX_ROWS,
  };
}

const toUtc = (time: string): string => new Date(time).toISOString();
