import { type Fields, isFields } from "./bridge.ts";

// Reads what a tool answered. All of it may have been written by a host that lies, so each value is
// looked at where it is used, and one of another type is as one that is not there.

/** How many rows of one list are drawn. */
const MAX_ROWS = 100;
/** How many servers are drawn. A call asks fewer. */
const MAX_SERVERS = 200;

export type Failure = { code: string; message: string; hint: string };

/** What one server answered. */
export type Answer = {
  agent: string;
  failure: Failure | null;
  data: Fields;
  collectedAt: string | null;
  /** It read more than it may read, and the rest is missing. */
  truncated: boolean;
  /** How many secrets were taken out. */
  redactions: number;
};

/** The answers, or a sentence that says why there is nothing to draw. */
export type Answers = { answers: Answer[]; asked: number; answered: number } | { nothing: string };

export function readAnswers({ structuredContent }: Fields): Answers {
  if (!isFields(structuredContent) || !Array.isArray(structuredContent["results"])) {
    return { nothing: "This answer has no data to draw. Its text is in the chat." };
  }
  if (typeof structuredContent["cursor"] === "string") {
    return {
      nothing:
        "This answer is too long to draw: its text comes in pages. Ask for less, such as fewer servers.",
    };
  }
  const results = structuredContent["results"].filter(isFields);
  if (results.length === 0) return { nothing: "No server answered: there is none to ask." };
  const all = results.map(readAnswer);
  const answered = all.filter(({ failure }) => failure === null).length;
  return { answers: all.slice(0, MAX_SERVERS), asked: all.length, answered };
}

function readAnswer(result: Fields): Answer {
  const failure = isFields(result["failure"]) ? result["failure"] : null;
  const redactions = isFields(result["redactions"]) ? result["redactions"] : {};
  return {
    agent: textOf(result, "agent") ?? "",
    failure:
      failure === null && result["status"] === "ok"
        ? null
        : {
            code: textOf(failure ?? {}, "code") ?? "UNKNOWN",
            message: textOf(failure ?? {}, "message") ?? "",
            hint: textOf(failure ?? {}, "hint") ?? "",
          },
    data: isFields(result["data"]) ? result["data"] : {},
    collectedAt: textOf(result, "collectedAt"),
    truncated: result["truncated"] === true,
    redactions: numberOf(redactions, "count") ?? 0,
  };
}

export function textOf(fields: Fields, name: string): string | null {
  const value = fields[name];
  return typeof value === "string" ? value : null;
}

/** @returns null for what is no finite number */
export function numberOf(fields: Fields, name: string): number | null {
  const value = fields[name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export type Rows = { rows: Fields[]; leftOut: number };

/**
 * The rows of a list.
 *
 * @param count the member that says how many there are, if the list may be cut
 * @returns null when there is no list
 */
export function rowsOf(fields: Fields, name: string, count = ""): Rows | null {
  const value = fields[name];
  if (!Array.isArray(value)) return null;
  const rows = value.slice(0, MAX_ROWS).filter(isFields);
  const all = Math.max(value.length, numberOf(fields, count) ?? 0);
  return { rows, leftOut: all - rows.length };
}

/** The row with the highest number of a name; null when none has one. */
export function findMost(rows: readonly Fields[], name: string): Fields | null {
  let most: Fields | null = null;
  for (const row of rows) {
    const value = numberOf(row, name);
    if (value === null) continue;
    if (most === null || value > (numberOf(most, name) ?? -Infinity)) most = row;
  }
  return most;
}

/** The texts of a list. What is no list has none. */
export function textsOf(fields: Fields, name: string): string[] {
  const value = fields[name];
  if (!Array.isArray(value)) return [];
  return value.slice(0, MAX_ROWS).filter((one) => typeof one === "string");
}
