import { JOURNAL_PRIORITIES, type JournalSource } from "@sonde/schemas/manifest";
import { quote } from "../quote.ts";
import { type HoleText, filledWith } from "../render-template.ts";
import { renderSetting, settingsOf } from "../setting.ts";
import type { SourceRules } from "../source-rules.ts";
import { argumentPattern, holePattern } from "../template.ts";

/** Who may read the whole journal. */
const JOURNAL_GROUP = "systemd-journal";

/** The fields of a row that are asked for. `journalctl` adds time, cursor and boot. */
const FIELDS = "MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER,_PID";

const ARGV = {
  rows: [...["--output=json", "--no-pager", "--reverse", "--all"], `--output-fields=${FIELDS}`],
  boots: ["--list-boots", "--no-pager", "--utc"],
  "disk-usage": ["--disk-usage", "--no-pager"],
};

/** What chooses rows. */
const CHOICES = [
  ...(["newest", "unit", "priority", "sinceMinutesAgo", "untilMinutesAgo", "bootsAgo"] as const),
  ...(["contains", "ignoreCase", "before", "kernelOnly"] as const),
];

export const journalRules: SourceRules<"journal"> = {
  title: "Reads the system's journal",
  group: JOURNAL_GROUP,
  words: () => [],
  settings: (source) =>
    settingsOf(
      [source.newest, "integer"],
      [source.unit, "unit-name"],
      [source.priority, "enum"],
      [source.sinceMinutesAgo, "integer"],
      [source.untilMinutesAgo, "integer"],
      [source.bootsAgo, "integer"],
      [source.contains, "text"],
      [source.ignoreCase, "boolean"],
      [source.before, "journal-cursor"],
    ),
  check(source, refuse) {
    const { show, holes } = source;
    if (show !== "rows" && CHOICES.some((choice) => source[choice] !== undefined)) {
      refuse(`expected nothing that chooses rows beside show: ${show}`);
    }
    if (show === "rows" && source.newest === undefined) refuse("expected newest for rows");
    if (source.ignoreCase !== undefined && source.contains === undefined) {
      refuse("expected contains beside ignoreCase");
    }
    const levels = typeof source.priority === "object" ? holes?.[source.priority.hole] : undefined;
    if (levels?.type === "enum" && levels.values.some((it) => !JOURNAL_PRIORITIES.includes(it))) {
      refuse(`expected priorities of ${JOURNAL_PRIORITIES.join(", ")}`);
    }
  },
  level: () => "observe",
  needs(source) {
    const pattern = (hole: string): string => holePattern(hole, source.holes);
    const argv = buildArgv(source, pattern, (text) => text);
    return { commands: ["journalctl", ...argv.map((word) => quoteUnlessHole(word))].join(" ") };
  },
  window: ({ maxBytes }) => ({ part: "last", bytes: maxBytes }),
  describe(source, textOf) {
    return ["exec", "journalctl", ...buildArgv(source, textOf, escapeGrep).map(quote)].join(" ");
  },
};

/** The whole argv of `journalctl`, for filled holes. */
export function renderJournalArgv(source: JournalSource, values: Record<string, string>): string[] {
  return buildArgv(source, filledWith(values), escapeGrep);
}

/** Each value is joined to its option by `=`, so none can start one. An absent value leaves it out. */
function buildArgv(
  source: JournalSource,
  textOf: HoleText,
  escape: (text: string) => string,
): string[] {
  const option = (
    start: string,
    value: Parameters<typeof renderSetting>[0],
    show = (text: string): string => text,
    end = "",
  ): string[] => {
    const text = renderSetting(value, textOf);
    return text === "" ? [] : [`${start}${show(text)}${end}`];
  };
  const contains = option("--grep=", source.contains, escape);
  const isCaseIgnored = renderSetting(source.ignoreCase, textOf);
  return [
    ...ARGV[source.show],
    ...option("--lines=", source.newest),
    ...option("--unit=", source.unit),
    ...option("--priority=", source.priority),
    ...option("--since=-", source.sinceMinutesAgo, undefined, "m"),
    ...option("--until=-", source.untilMinutesAgo, undefined, "m"),
    ...option("--boot=-", source.bootsAgo),
    // Without it, letter case counts when the text has a large letter.
    ...(contains.length === 0 ? [] : [...contains, `--case-sensitive=${negate(isCaseIgnored)}`]),
    // In reverse, the rows after a row are the older ones.
    ...option("--after-cursor=", source.before),
    ...(source.kernelOnly === true ? ["_TRANSPORT=kernel"] : []),
  ];
}

/** Turns `true` into `false` and back; the name of a hole stays, and an absent one is `true`. */
function negate(flag: string): string {
  if (flag === "" || flag === "false") return "true";
  return flag === "true" ? "false" : `not${flag}`;
}

/** `--grep` takes a pattern (PCRE2), where a backslash before any other sign than a letter makes it itself. */
function escapeGrep(text: string): string {
  return text.replace(/[\x20-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]/g, String.raw`\$&`);
}

/** Quotes an argument of the requirement unless it is plain; a hole stays as it is shown. */
function quoteUnlessHole(word: string): string {
  return /<[^<>]*>m?$/.test(word) ? word : argumentPattern(word, undefined);
}
