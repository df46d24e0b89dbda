import { SondeError } from "@sonde/schemas/errors";
import { type Hole } from "@sonde/schemas/manifest";

// Attack class 50: a caller's value becomes one argument, one path or one part of a request.
// Each grammar below is short, anchored and bounded. None lets a value start an option,
// leave its root or contain a control character.

const MAX_VALUE = 300;
const HOSTNAME =
  /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;
const UNIT_NAME = /^[A-Za-z0-9_][A-Za-z0-9:_.@\\-]*$/;
const CONTAINER_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;
const PATH_PART = /^[A-Za-z0-9_.@+:,=~% -]{1,255}$/;

/**
 * Checks the value of one hole and renders it as text.
 *
 * @param value a parameter, an `otherwise` or a literal
 * @param where name of the hole, for the error message
 * @returns the text that fills the hole; for `path-beneath` the absolute path
 * @throws SondeError PARAMS_INVALID when the value is outside the hole's grammar
 */
export function checkHole(hole: Hole, value: unknown, where: string): string {
  const text = renderHole(hole, value);
  if (text === null || text.length === 0 || text.length > MAX_VALUE || text.startsWith("-")) {
    throw new SondeError("PARAMS_INVALID", `${where}: expected ${describeHole(hole)}`);
  }
  return text;
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
  }
}
