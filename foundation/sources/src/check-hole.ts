import { isIPv6 } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import { type Hole } from "@sonde/schemas/manifest";
import { hasInvisible } from "@sonde/schemas/plain-text";
import { type FilledRead } from "@sonde/schemas/reads";
import { isEndpoint } from "./endpoint.ts";
import { isOptionalHole } from "./hole-value.ts";

// Attack class 50: a caller's value becomes one argument, one path or one part of a request.
// Each grammar below is short, anchored and bounded. None lets a value start an option,
// leave its root or contain a control character.

const MAX_VALUE = 300;
const HOSTNAME =
  /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const UNIT_NAME = /^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]*$/;
const CONTAINER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
/** Labels may have an underscore: `_sip._tcp.example.com`. */
const DNS_NAME = /^(?!.*[^.]{64})[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?$/;
const IPV6 = /^[0-9A-Fa-f:.]{2,45}$/;
const JOURNAL_CURSOR = /^s=[0-9a-f]{32};i=[0-9a-f]{1,16};b=[0-9a-f]{32}(;[mtx]=[0-9a-f]{1,16}){3}$/;
/** As PostgreSQL and MySQL have it without quotes, and `-`. It begins no option and no URL. */
const DATABASE_NAME = /^[A-Za-z_][A-Za-z0-9_$-]*$/;
const PATH_PART = /^[A-Za-z0-9_.@+:,=~% -]{1,255}$/;

/**
 * Checks the value of one hole and renders it as text.
 *
 * @param value a parameter, an `otherwise` or a literal
 * @param where name of the hole, for the error message
 * @returns the text that fills the hole; for `path-beneath` the absolute path, and empty for an
 *   absent value of an optional hole
 * @throws SondeError PARAMS_INVALID when the value is outside the hole's grammar
 */
export function checkHole(hole: Hole, value: unknown, where: string): string {
  const text = fillHole(hole, value);
  if (text !== null) return text;
  throw new SondeError("PARAMS_INVALID", `${where}: expected ${describeHole(hole)}`);
}

/** As `checkHole`, but null for a value outside the grammar: there may be very many of them. */
export function fillHole(hole: Hole, value: unknown): string | null {
  if (isOptionalHole(hole) && (value === undefined || value === "")) return "";
  const text = renderHole(hole, value);
  // A text to search for is never an argument of its own, so it may begin as an option does.
  const isOption = hole.type !== "text" && text?.startsWith("-") === true;
  return text === null || text.length === 0 || text.length > MAX_VALUE || isOption ? null : text;
}

/**
 * Checks that each hole of a read has a text that `checkHole` gives for some value: a process that is
 * asked to read need not believe who filled the holes.
 *
 * @throws SondeError PARAMS_INVALID
 */
export function checkFilled({ name, source, values }: FilledRead): void {
  for (const [hole, shape] of Object.entries(source.holes ?? {})) {
    const text = Object.hasOwn(values, hole) ? (values[hole] ?? "") : "";
    if (checkHole(shape, valueOf(shape, text), `${name}.${hole}`) === text) continue;
    throw new SondeError("PARAMS_INVALID", `${name}.${hole}: expected ${describeHole(shape)}`);
  }
}

/** The value that a hole was filled with, by its text. */
function valueOf({ type }: Hole, text: string): unknown {
  if (text === "") return undefined;
  if (type === "integer") return Number(text);
  if (type === "boolean") return text === "true";
  return text;
}

/** True for a value that fills the hole. */
export function fitsHole(hole: Hole, value: unknown): boolean {
  return renderHole(hole, value) !== null;
}

function renderHole(hole: Hole, value: unknown): string | null {
  switch (hole.type) {
    case "integer":
      return isIntegerWithin(value, hole.minimum, hole.maximum) ? String(value) : null;
    case "boolean":
      return typeof value === "boolean" ? String(value) : null;
    case "enum":
      return typeof value === "string" && hole.values.includes(value) ? value : null;
    case "hostname":
      return matches(value, HOSTNAME, 253);
    case "unit-name":
      return matches(value, UNIT_NAME, 255);
    case "container-name":
      return matches(value, CONTAINER_NAME, 128);
    case "path-beneath":
      return typeof value === "string" ? beneath(hole.root, value) : null;
    case "journal-cursor":
      return matches(value, JOURNAL_CURSOR, 200);
    case "dns-name":
      return matches(value, DNS_NAME, 253) ?? address6(value);
    case "database-name":
      return matches(value, DATABASE_NAME, 63);
    case "endpoint":
      return typeof value === "string" && isEndpoint(value) ? value : null;
    case "text":
      return isSearchText(value, hole.maxLength) ? value : null;
  }
}

function isIntegerWithin(value: unknown, minimum: number, maximum: number): boolean {
  return (
    typeof value === "number" && Number.isSafeInteger(value) && value >= minimum && value <= maximum
  );
}

function matches(value: unknown, grammar: RegExp, maxLength: number): string | null {
  return typeof value === "string" && value.length <= maxLength && grammar.test(value)
    ? value
    : null;
}

function address6(value: unknown): string | null {
  const text = matches(value, IPV6, 45);
  return text !== null && isIPv6(text) ? text : null;
}

/** No line end, no other invisible character, no half of one that UTF-8 cannot express. */
function isSearchText(value: unknown, maxLength: number): value is string {
  return typeof value === "string" && value.length <= maxLength && !hasInvisible(value);
}

/**
 * Accepts a path relative to the root, or an absolute path beneath it. Returns null for a
 * path that is not normalised.
 */
function beneath(root: string, value: string): string | null {
  if (value.startsWith("-") || value.length > MAX_VALUE) return null;
  if (value.startsWith("/") && !value.startsWith(`${root}/`)) return null;
  const rest = value.startsWith("/") ? value.slice(root.length + 1) : value;
  const parts = rest.split("/");
  const fine = parts.every((part) => PATH_PART.test(part) && part !== "." && part !== "..");
  return fine ? `${root}/${rest}` : null;
}

function describeHole(hole: Hole): string {
  switch (hole.type) {
    case "integer":
      return `an integer from ${hole.minimum} to ${hole.maximum}`;
    case "boolean":
      return "true or false";
    case "enum":
      return `one of ${hole.values.join(", ").slice(0, 300)}`;
    case "hostname":
      return "a host name";
    case "unit-name":
      return "the name of a systemd unit";
    case "container-name":
      return "the name or id of a container";
    case "path-beneath":
      return `a normalised path beneath ${hole.root}`;
    case "journal-cursor":
      return "the cursor of a row of the journal";
    case "dns-name":
      return "a name as DNS has it, or an address";
    case "database-name":
      return "the name of a database";
    case "endpoint":
      return "a name or address in small letters, and a port, as in shop.example:443";
    case "text":
      return `a text of 1 to ${hole.maxLength} visible characters`;
  }
}
