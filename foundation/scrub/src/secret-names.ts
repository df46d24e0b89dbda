import { anyCase } from "./any-case.ts";

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
  "recoverycode",
  "codeverifier",
  "clientassertion",
  "keydata",
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
    "gpg socket"
  ).split(" "),
);
/** Words before `token` that name a place in a list, or a token of a language model. */
const PUBLIC_TOKENS = new Set("page nextpage stop eos bos pad unk cls sep unexpected".split(" "));
/** English words and test words that end with `pass`. */
const OTHER_PASS =
  /(?:by|com|tres|sur|over|under|encom|low|high|band|all|kee|first|second|multi|single|render)pass$/;

/**
 * A superset of the ends of secrets' names, to find candidates in text. `isSecretName` then
 * decides. Also `name` and `value`, the members of a pair.
 */
export const NAME_END = `(?:${[
  ...["pass", "word", "passwd", "phrase", "pwd", "pw", "secret", "string", "token"],
  ...["credential", "authorization", "key", "base", "hash", "sessid", "sessionid"],
  ...["digest", "wort", "passe", "mnemonic", "code", "verifier", "assertion", "data"],
  ...["auth", "cookie", "psk", "name", "value"],
]
  .map(anyCase)
  .join("|")})[sS]?(?:[_-]?(?<=[A-Za-z_-])[0-9]{1,3})?`;
/** Looks back from the end, since a search would try each character of the name. */
const CANDIDATE = new RegExp(`(?<=${NAME_END})`, "y");

/** True when a member of this name holds a secret, whatever its value looks like. */
export function isSecretName(name: string): boolean {
  if (name.length > 200) return false;
  CANDIDATE.lastIndex = name.length;
  if (!CANDIDATE.test(name)) return false;
  const base = name.replace(/[_-]?[0-9]{1,3}$/, "");
  const single = /[^sS][sS]$/.test(base) ? base.slice(0, -1) : base;
  const words = wordsOf(single);
  const last = words.at(-1) ?? "";
  const before = words.at(-2);
  if (last === "key") return before !== undefined && !PUBLIC_KEYS.has(before);
  if (last === "token" && before !== undefined && PUBLIC_TOKENS.has(before)) return false;
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

/** Values that state that there is no secret, or what became of it. */
const STATES = new Set(
  (
    "null nil none true false undefined yes no on off enabled disabled required optional missing " +
    "inherit expired invalid valid unset empty hidden masked redacted string str number boolean bool"
  ).split(" "),
);
const MASK = /^(?:[*•.]{3,}|[xX]{3,}|[<[(](?:[a-z]+ ){0,2}[a-z]+[>\])])$/;
const REFERENCE = /^(?:\$\{[A-Za-z_][\w.]{0,80}\}|\$?\{\{[^{}]{0,100}\}\})$/;
/** A file with the secret. The key's form needs an ending, since Base64 has slashes too. */
const SECRET_FILE =
  /^(?:\/(?:var\/)?run\/secrets\/[\w./-]+|(?:~|\.{1,2})?\/[\w./-]+(?:\.(?:pem|key|crt|cer|pub|p12|pfx|jks|txt|json|ya?ml)|\/id_[a-z0-9]+))$/;
/** The kind that a public key of OpenSSH begins with; sshd(8), AUTHORIZED_KEYS FILE FORMAT. */
const PUBLIC_KEY =
  /^(?:sk-)?(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp[0-9]{3})(?:@openssh\.com)?$/;
const METHOD =
  /^(?:[A-Z]?[a-z-]{1,16}|[A-Z-]{1,16}|oauth-?[12]?|md5|scram-sha-(?:1|256)|sha-?(?:1|256|512)|x509|https?:.*|\/.*)$/;

/** True when the value under a secret's name is none: a state, a mask, a reference, a count. */
export function isNoSecret(name: string, value: string): boolean {
  if (STATES.has(value.toLowerCase()) || MASK.test(value) || REFERENCE.test(value)) return true;
  if (SECRET_FILE.test(value) || PUBLIC_KEY.test(value)) return true;
  const folded = name.toLowerCase();
  const isNumber = /^[0-9]{1,9}(?:\.[0-9]{1,6})?[%sm)]{0,2}$/.test(value);
  // A count, as in `tokens: 4`. Nobody counts credentials.
  if (/(?:token|key|secret|cookie|auth|password)s$/.test(folded) && isNumber) return true;
  if (/session_?id$/.test(folded) && !/jsession_?id$/.test(folded)) return value.length < 16;
  if (folded === "pass") return isNumber || value.length === 1;
  if (folded === "pwd" || folded === "oldpwd") return /^(?:[/~]|[A-Za-z]:[\\/])/.test(value);
  if (/auth[0-9]?$/.test(folded)) return isNumber || METHOD.test(value);
  return folded.endsWith("cookie") && isNumber;
}
