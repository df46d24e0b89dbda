import { isSecretName } from "./secret-names.ts";

/** A number with its unit, as in `token: 15m`, or of a whole, as in `pass: 1/3`. */
const QUANTITY =
  /^[0-9]{1,6}(?:\.[0-9]{1,6})?(?:\/[0-9]{1,6}|[ -]?(?:[num]?s|secs?|m|mins?|h|hrs?|d|w|y|seconds?|minutes?|hours?|days?|weeks?|months?|years?|[kKMGT]i?[bB]?|bits?|bytes?|%))$/;
/** A duration of ISO 8601, as in `P30D`. */
const DURATION = /^P(?=[0-9T])(?:[0-9]{1,4}[YMWD]){0,4}(?:T(?:[0-9]{1,4}[HMS]){1,3})?$/;
/** A time of RFC 3339. A date alone may be a birthday, which people take for a password. */
const TIME =
  /^[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?$/;
/** A version or an address of IPv4. */
const VERSION =
  /^(?:(?:[\^~]|[<>=]=?)?[vV]?[0-9]{1,4}(?:\.[0-9]{1,6}){2,3}(?:[-+][a-z]{1,8}[.-]?[0-9]{0,6})?|(?:[\^~]|>=?)[0-9]{1,4}(?:\.[0-9]{1,6}){0,3}|v[0-9]{1,2}(?:(?:alpha|beta)[0-9]{1,2})?)$/;
/** Nothing but zeros, one mark again and again, or a mark or two. */
const EMPTY = /^(?:0|[0:-]{2,}|([*#=_.-])\1{2,}|[!-/:-@[-`{-~\u2026]{1,2}|\(\)|\{\}|\[\])$/;
const PLACEHOLDER =
  /^(?:(?:CHANGE|REPLACE|INSERT|ENTER|PASTE)[_-](?:[A-Z]{1,12}[_-]){0,4}[A-Z]{1,12}|YOUR(?:[ _-][A-Z]{1,12}){1,5}|(?:your|insert|enter|paste|replace)[_-](?:[a-z]{1,12}[_-]){0,4}[a-z]{1,12}|\*\*[a-z]{3,12}\*\*|[A-Za-z_-]{0,12}(?:\*{3,80}|\.{3}|\u2026)[A-Za-z0-9]{0,4}|\(\([\w./-]{1,100}\)\))$/;
/** Where a value is kept, as vaults, templates and scripts write it. */
const ADDRESS =
  /^(?:\$env:\w{1,60}|%[0-9]|(?:Get|Read|New|ConvertTo|Import)-[A-Z][A-Za-z]{2,30}|\$\{[A-Za-z_]\w{0,60}:-\$.{1,100}|\$__[a-z]{2,10}\{.{1,200}|@[a-z][a-z_.]{2,60}@|\$\[[\w.]{2,80}\]|%\{[a-z_]{2,30}\b.{0,100}|Fn::[A-Z][A-Za-z]{2,20}|\$\{[a-z][\w-]{0,30}[:(][^{}\s]{1,200}\}|%\([a-z_.]{1,60}\)s|\$(?:[a-z]{1,20}_){1,5}[a-z]{1,20}|\$ENV\{.{0,60}|(?:gcp-?sm|aws-?s?sm|azure-?kv|secrets?-?manager|keyvault|keychain|keyring|doppler|infisical|conjur):(?:\/\/)?[\w./#@-]{1,200}|HK(?:LM|CU|CR|U|CC|EY_[A-Z_]{4,20})(?:\\.{0,200})?)$/;
/** What runs in a value's place, and what an expression of grep or sed looks for there. */
const SEARCH =
  /^(?:`?(?:cat [/~$.]|vault (?:kv|read|token) |aws secretsmanager |gcloud secrets |op read |kubectl get |jq -|openssl rand ).{1,400}|\(?(?:\.|\\[SwdW]|\[\^?[^\]]{1,20}\])[*+]\??\)?(?:[/"'|].{0,80})?)$/;
/** A parameter of a query, as in `password = :password`. */
const PARAMETER = /^[:@]([a-z][a-zA-Z_]{2,40})$/;
/** An address whose path has only words. */
const URL =
  /^https?:\/\/[a-z0-9.-]{1,100}(?::[0-9]{1,5})?(?:\/(?:[a-z][a-z_-]{0,20}(?:\.[a-z]{2,5})?|v[0-9]|oauth2))*\/?$/;
/** A file in a folder. No Base64 has a dot. */
const FILE =
  /^(?:[A-Za-z]:|(?:[\w.-]{1,64}\/){0,8}(?:[\w.-]{1,64}\.(?:pem|key|crt|cer|csr|der|pub|p12|pfx|jks|keytab|kdbx|gpg|asc)|id_(?:rsa|dsa|ecdsa(?:_sk)?|ed25519(?:_sk)?))|(?:[\w.-]{1,64}\/){1,8}[\w.-]{1,64}\.(?:txt|json|ya?ml|conf|cfg|ini|env|enc|properties|toml|xml|token|dat|db))$/;
const CLASS = /^[a-z][a-z0-9]{1,20}(?:\.[a-z_][a-z0-9_]{0,30}){1,8}\.[A-Z][A-Za-z]{2,60}$/;
const TYPE =
  /^(?:String|Str|SecretStr|Buffer|Uint8Array|ByteArray|Bytes|CryptoKey|KeyObject|Integer|Boolean|Object|(?:var|nvar)?char|bytea|blob|text|uuid|jsonb?|keyword|int(?:eger)?|bigint|byte|bytes|object|array|&str|\[u8|\[\]byte|(?:Option|Optional|Annotated|Literal|Union|Dict|Mapping|Vec|List|Promise|Future|Result|Box|Arc|Array|Readonly)[<[][\w<>[\], |&]{1,60})(?:\([0-9]{1,5}\)|\[[0-9]{0,5}\])?[!?]?$/;
/** A part of an algorithm's or a format's name, as in `aes-256-gcm`. */
const METHOD_PART =
  /^(?:(?:x?chacha|aes|3?des|camellia|rsa|dsa|ecdsa|ecdh|ec|hmac|sha|md|blake|pbkdf|argon|bcrypt|scrypt|yescrypt|scram|nistp?|pkcs|gcm|cbc|ctr|xts|siv|oaep|pss|jks|pem|der|jw[tkes]|wpa|wep|eap|m?tls|saml|oauth|oidc|[ht]otp)[0-9]{0,5}(?:id?|d|[rkv]1|b|s)?|a(?:128|192|256)[a-z]{0,6}|[hrep]s(?:256|384|512)|(?:ed|x|curve|secp|prime|plain|poly)[0-9]{2,5}[rkv]?1?|[0-9]{1,4}[a-z]?)$/;

/** True when the value says by its form that it is no secret, whatever its name. */
export function isPlainValue(value: string): boolean {
  const forms = [QUANTITY, DURATION, TIME, VERSION, EMPTY, PLACEHOLDER, ADDRESS, SEARCH, URL, FILE];
  if (forms.some((form) => form.test(value)) || CLASS.test(value) || TYPE.test(value)) return true;
  if (isSecretName(PARAMETER.exec(value)?.[1] ?? "")) return true;
  return isMethod(value);
}

function isMethod(value: string): boolean {
  if (!/^[A-Za-z]/.test(value) || value.length > 40) return false;
  return value
    .toLowerCase()
    .split(/[-_/+.]/)
    .every((part) => METHOD_PART.test(part));
}

/** Words for the way that a key is used, kept or written. */
const MODES = new Set(
  (
    "simple opaque bearer header query body in local remote static dynamic manual session internal public " +
    "shared global user client server service device kubernetes vault awskms gcpkms kms azure aws gcp env " +
    "from-env environment file memory disk database ldap kerberos push pull none unlimited omit include inline " +
    "same-origin hex base64 base64url default ambient instance-profile rbac open trust value kid read write"
  ).split(" "),
);
/** Words before `key` that name an entry of a table, whose key is a word too. */
const ENTRY =
  /(?:event|feature|config|setting|error|message|project|issue|jira|storage|dedup|meta|field|topic|queue|template|topology)[_.-]?key$/;
const ENTRY_KEY = /^[A-Za-z]{2,20}(?:[-_.:/][A-Za-z]{2,20}){0,5}(?:-[0-9]{1,6})?$/;
const DATE = /^[0-9]{4}-[01][0-9]-[0-3][0-9]$/;
/** Whose public key it is, as in `ssh_key: deploy@web1`. */
const OWNER = /^[a-z][a-z0-9_-]{0,30}@[a-z0-9.-]{1,60}$/;
const FINGERPRINT = /^(?:SHA(?:1|256|512)|sha256|MD5):[A-Za-z0-9+/:=]{20,}$/;

/**
 * True for a mode in the place of what a machine draws, as in `auth-token: simple`. People choose
 * passwords and secrets, so a word may be one of them.
 *
 * @param name in small letters
 * @param kind of the marker that would stand for the value
 */
export function isPlainKey(name: string, kind: string, value: string): boolean {
  if (kind === "password" || kind === "secret") return false;
  if (MODES.has(value.toLowerCase()) || DATE.test(value)) return true;
  if (kind !== "key") return false;
  return (
    (ENTRY.test(name) && ENTRY_KEY.test(value)) || OWNER.test(value) || FINGERPRINT.test(value)
  );
}
