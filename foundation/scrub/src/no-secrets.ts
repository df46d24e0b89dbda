import { isMessage } from "./expressions.ts";
import { isPlainKey, isPlainValue } from "./plain-values.ts";
import { isSecretName, kindOfName } from "./secret-names.ts";

/** Values that state that there is no secret, or what became of it. */
const STATES = new Set(
  (
    "null nil none true false undefined yes no on off enabled disabled required optional missing " +
    "inherit expired invalid valid unset empty hidden masked redacted string str number boolean bool " +
    "set unchanged locked configured present absent active denied ok loaded sent updated changed unknown bytes " +
    "prompt ask stdin keyring keychain tbd todo n/a auto automatic never always external unlimited omitted " +
    "generated provided issued reused refreshed rotated revoked renewed verified created deleted removed accepted rejected opaque"
  ).split(" "),
);
const MASK =
  /^(?:[*\u2022.]{3,}|[xX]{3,}|[<[(](?:[A-Za-z]+[ _-]){0,3}[A-Za-z]+[>\])]|<base64[\w -]{0,20}>|YOUR[_-][A-Z_-]{1,40}|(?:%[sdvq]|\{[a-z_.]{0,40}\})(?:\\n)?)$/;
/** The name of a value that is kept elsewhere, as templates, vaults and settings write it. */
const REFERENCE =
  /^(?:\$\{[A-Za-z_][\w.]{0,80}\}|\$?\{\{[^{}]{0,100}\}\}|<%=[^%]{0,100}%>|#\{[A-Za-z_.]{1,60}(?:\[.{0,60})?\}?|%[A-Z_]{3,60}%|(?:__|@@)[A-Z_]{3,60}(?:__|@@)|!(?:secret|env|ENV|GetAtt|vault|file|include|Ref|Sub|ImportValue)(?: [\w.-]{1,80})?|@\/[\w./-]+|env:[A-Z_]{2,60}|(?:file|ssm|vault|op|secretref):[\w.-]{0,60}[/#][\w./#-]{1,200}|arn:aws[\w-]{0,10}:secretsmanager:.{1,200}|projects\/[\w-]+\/secrets\/.{1,100}|@Microsoft\.KeyVault\(.{1,200})$/;
/** The name of a Kubernetes Secret, and of a member in one. */
const SECRET_OBJECT =
  /^(?:[sS]ecret|(?!client|api|app|jwt|consumer|shared|signing)[a-z]{2,20}(?:Password|Tls)?Secret|(?:auth|tls|auth-tls)-secret)$/;
const MEMBER_NAME = /(?:[pP]assword|[sS]ecret|[tT]oken)Key$/;
const EXISTING_OBJECT = /^(?:[\w.-]{1,60}\.)?(?:existing[A-Za-z]{0,20}|password)Secret$/;
/** A member of another value, as in `token: result.data.token`. */
const MEMBER = /^[A-Za-z_]+(?:\??(?:\.|->|::)[A-Za-z_]+){0,4}\??(?:\.|->|::)([A-Za-z_]+)$/;
/** The sources of nsswitch.conf(5), whose databases are called passwd and shadow. */
const NAME_SERVICE = /^(?:files|compat|systemd|sss|ldap|nis|winbind|altfiles)$/;
/** Cookies that hold a preference. */
const PREFERENCES =
  /^(?:(?:lang|locale|theme|consent|cookie_?consent|tz|currency|path|domain|max-age|expires|samesite|secure|httponly)(?:=[^;]{0,40})?(?:; ?|$)|[a-z_-]{2,20}=(?:open|closed|on|off|yes|no|true|false|light|dark|[0-9]{1,3})(?:; ?|$))+$/i;
const SCHEME = /^(?:bearer|basic|digest|token|apikey)(?: +|$)/i;
/** A file with the secret. The key's form needs an ending, since Base64 has slashes too. */
const SECRET_FILE =
  /^<?(?:\/(?:var\/)?run\/secrets\/[\w./-]+|(?:~|\.{1,2})?\/[\w./-]+(?:\.(?:pem|key|crt|cer|pub|p12|pfx|jks|txt|json|ya?ml)|\/id_[a-z0-9]+)|\/(?:etc|usr|var|run|home|root|opt|srv|tmp|mnt|data|boot|proc)\/[\w.+/@-]+|[\w.-]{1,64}:\/(?:etc|run|var)\/[\w./-]+)$/;
/** The kind that a public key of OpenSSH begins with; sshd(8), AUTHORIZED_KEYS FILE FORMAT. */
const PUBLIC_KEY =
  /^(?:sk-)?(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp[0-9]{3})(?:@openssh\.com)?$/;
/** The identifier of a public key of OpenPGP, as git's user.signingKey has it. */
const OPENPGP_KEY = /^(?:0x)?(?:[0-9A-F]{16}|[0-9A-F]{40})!?$/;
/** The address of a database without a login. A part of it may name a secret of its own. */
const NO_LOGIN =
  /^(?:[a-z+]{2,20}:\/\/[^@?]*|(?:(?:Server|Host|Port|Data Source|Database|Initial Catalog|Integrated Security|Encrypt|Timeout|Endpoint)=[\w.,:\\/-]{1,100}(?:;|$))+)$/;
/** The name of a secret in a list of them, as in `from_secret: db_password`. */
const SECRET_LIST = /(?:secrets|from_?secret)$/;
const VAULT_PATH = /^(?:[a-z][a-z-]{1,20}\/){1,5}[a-z][a-z-]{1,20}$/;
const METHOD =
  /^(?:[A-Z]?[a-z-]{1,16}|[A-Z-]{1,16}|oauth-?[12]?|md5|scram-sha-(?:1|256)|sha-?(?:1|256|512)|x509|802\.1[xX]|MSCHAPV2|user\/password|https?:.*|\/.*)$/;

/** True when the value under a secret's name is none: a state, a mask, a reference, a count. */
export function isNoSecret(name: string, value: string): boolean {
  if (STATES.has(value.toLowerCase()) || MASK.test(value) || REFERENCE.test(value)) return true;
  if (SECRET_FILE.test(value) || PUBLIC_KEY.test(value) || isPlainValue(value)) return true;
  if (isMessage(value)) return true;
  const folded = name.toLowerCase();
  if (isPlainKey(folded, kindOfName(name), value)) return true;
  // A setting of a kernel, as in `CONFIG_ENCRYPTED_KEYS=y`.
  if (name.startsWith("CONFIG_") && /^[ynm]$/.test(value)) return true;
  const isNumber = /^[0-9]{1,9}(?:\.[0-9]{1,6})?[%sm)]{0,2}$/.test(value);
  // A count, as in `tokens: 4`. Nobody counts credentials.
  if (/(?:token|key|secret|cookie|auth|password)s$/.test(folded) && isNumber) return true;
  // A connector has pins too.
  if (/(?:otp|pin)s?$/.test(folded)) return !/^(?:[0-9]{4,8}|[A-Z2-7]{16,})$/.test(value);
  if (folded.endsWith("salt")) return value.length < 16;
  // A placeholder of a usage line, as in `--token TOKEN`.
  if (/^[A-Z]{3,}$/.test(value) && folded.endsWith(value.toLowerCase())) return true;
  if (
    SECRET_OBJECT.test(name.replace(/^--/, "")) &&
    /^(?:[a-z-]{1,40}\/)?[a-z]{1,20}(?:-[a-z]{1,20}){1,5}$/.test(value)
  )
    return true;
  if (EXISTING_OBJECT.test(name) && /^[a-z][a-z0-9.-]{0,62}$/.test(value)) return true;
  // A tag of sudoers(5).
  if (name === "PASSWD" && value === "ALL") return true;
  if (folded === "passwd" && NAME_SERVICE.test(value)) return true;
  // The size of a member, as in `kubectl describe secret`.
  if (/^[0-9]{1,6} bytes$/.test(value)) return true;
  if (folded === "tokens" && /-token-[a-z0-9]{5}$/.test(value)) return true;
  if (isSecretName(MEMBER.exec(value)?.[1] ?? "")) return true;
  if (/(?:signing|apt|pgp)[_-]?key$/.test(folded) && OPENPGP_KEY.test(value)) return true;
  if (/connection_?string$/.test(folded) && NO_LOGIN.test(value)) return true;
  if (SECRET_LIST.test(folded) && /^[a-z]+[_-][a-z_-]+$/.test(value) && isSecretName(value))
    return true;
  if (/(?:secret|credential)s?$/.test(folded) && VAULT_PATH.test(value)) return true;
  if (MEMBER_NAME.test(name) && /^(?:[a-z]{1,20}-){0,4}(?:password|secret|token|key)$/.test(value))
    return true;
  if (folded.endsWith("authorization") && SCHEME.test(value)) {
    const credentials = value.replace(SCHEME, "");
    return (
      credentials === "" ||
      MASK.test(credentials) ||
      REFERENCE.test(credentials) ||
      /^(?:\$[A-Z_]+|\{\{.{0,60})$/.test(credentials)
    );
  }
  if (folded.endsWith("cookie") && PREFERENCES.test(value)) return true;
  if (/session_?id$/.test(folded) && !/jsession_?id$/.test(folded)) return value.length < 16;
  if (folded === "pass") return isNumber || value.length === 1;
  if (folded.endsWith("_pass")) return /^[0-9]{1,3}$/.test(value);
  if (folded === "pwd" || folded === "oldpwd") return /^(?:[/~]|[A-Za-z]:[\\/])/.test(value);
  if (/auth[0-9]?$/.test(folded)) return isNumber || METHOD.test(value);
  return folded.endsWith("cookie") && isNumber;
}
