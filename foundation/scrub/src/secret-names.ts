import { anyCase } from "./any-case.ts";
import { joinByEnd } from "./word-ends.ts";

/** Endings that make any name a secret's, compared in small letters without separators. */
export const SECRET_ENDINGS = [
  "password",
  "passwd",
  "passphrase",
  "passcode",
  "passwordhash",
  "passworddigest",
  "passwort",
  "motdepasse",
  "mnemonic",
  "seedphrase",
  "authtok",
  "salt",
  "authkey",
  "kennwort",
  "pincode",
  "samlresponse",
  "samlrequest",
  "recoverycode",
  "codeverifier",
  "clientassertion",
  "keydata",
  "pskrawdata",
  "dockerconfigjson",
  "dockercfg",
  "passw0rd",
  "pass",
  "pwd",
  "secret",
  "secretstring",
  "token",
  "credential",
  "authorization",
  "connectionstring",
  "accountkey",
  "accesskey",
  "apikey",
  "encryptionkey",
  "masterkey",
  "presharedkey",
  "privatekey",
  "secretkey",
  "secretkeybase",
  "sharedkey",
  "signingkey",
  "phpsessid",
  "jsessionid",
  "sessionid",
] as const;

/** Last words that make a name a secret's. `monkey` and `author` have other last words. */
export const SECRET_WORDS = ["auth", "cookie", "key", "psk", "pw"] as const;

/** Words that say what a key is for, none of them a secret. They excuse no password and no token. */
const PUBLIC_KEYS = new Set(
  (
    "public primary foreign sort partition cache routing row index unique composite natural candidate " +
    "range hash lookup hot arrow map dict metric label i18n translation idempotency authorized known " +
    "gpg socket username verify site publishable"
  ).split(" "),
);
/** Words before `token` that name a place in a list, or a token of a language model. */
const PUBLIC_TOKENS = new Set("page nextpage stop eos bos pad unk cls sep unexpected".split(" "));
/** English words and test words that end with `pass`. */
const OTHER_PASS =
  /(?:by|com|tres|sur|over|under|encom|low|high|band|all|kee|first|second|multi|single|render)pass$/;

const NAME_ENDS = [
  ...["pass", "word", "passwd", "phrase", "pwd", "pw", "secret", "string", "token"],
  ...["credential", "authorization", "key", "base", "hash", "sessid", "sessionid"],
  ...["digest", "wort", "passe", "mnemonic", "code", "verifier", "assertion", "data"],
  ...["dockerconfigjson", "dockercfg", "passw0rd"],
  ...["auth", "authtok", "cookie", "psk", "otp", "pin", "salt", "samlresponse", "samlrequest"],
  ...["name", "value", "default"],
];

/**
 * A superset of the ends of secrets' names, to find candidates in text. `isSecretName` then
 * decides. Also `name` and `value`, the members of a pair.
 */
export const NAME_END = `(?:${joinByEnd(NAME_ENDS, anyCase)})[sS]?(?:[_-]?(?<=[A-Za-z_-])[0-9]{1,3})?`;
/** Looks back from the end, since a search would try each character of the name. */
const CANDIDATE = new RegExp(`(?<=${NAME_END})`, "y");

/** True when a member of this name holds a secret, whatever its value looks like. */
export function isSecretName(name: string): boolean {
  if (name.length > 200 || name === "NOPASSWD") return false;
  CANDIDATE.lastIndex = name.length;
  if (!CANDIDATE.test(name)) return false;
  const base = name.replace(/[_-]?[0-9]{1,3}$/, "");
  const single = /[^sS][sS]$/.test(base) ? base.slice(0, -1) : base;
  const words = wordsOf(single);
  const last = words.at(-1) ?? "";
  const before = words.at(-2);
  if (last === "key") return before !== undefined && !PUBLIC_KEYS.has(before);
  if (last === "token" && before !== undefined && PUBLIC_TOKENS.has(before)) return false;
  if (/[a-z]pw$/.test(last)) return true;
  if (last === "otp" || last === "pin") return true;
  if (SECRET_WORDS.some((word) => word === last)) return true;
  const folded = words.join("");
  if (OTHER_PASS.test(folded)) return false;
  return SECRET_ENDINGS.some((ending) => folded.endsWith(ending));
}

/** True when a command's next argument is a secret. */
export function isSecretOption(argument: string): boolean {
  return /^--?[A-Za-z0-9_.-]{1,80}$/.test(argument) && isSecretName(argument);
}

/** Splits a name at separators and capitals, in small letters: `dbApiKey` is `db api key`. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}

/** Returns the marker's kind for a value that only its name gives away. */
export function kindOfName(name: string): string {
  const kinds = [
    ["password", /pass|pwd|pw$/],
    ["token", /token|sessid|sessionid/],
    ["authorization", /auth/],
    ["connection-string", /connection/],
    ["credential", /credential/],
    ["cookie", /cookie/],
    ["key", /key|psk/],
  ] as const;
  const folded = name.toLowerCase();
  return kinds.find(([, pattern]) => pattern.test(folded))?.[0] ?? "secret";
}
