/**
 * The built-in scrub rules as data. Every pattern takes linear time by construction: a
 * run of characters is either consumed by the match or bounded, and no match starts again
 * inside a run that was scanned. Markers and reports use the rules' names.
 */
type TextRule = {
  name: string;
  /** Pattern of the text before the secret, which stays. */
  keep?: string;
  /** Pattern of the text that is replaced. */
  secret: string;
};

/** Endings of a secret's name, as in `NAME=value`, `"name": "value"` and `--name value`. */
const SECRET_NAME = [
  "password",
  "passwd",
  "passphrase",
  "(?<=[_-])pass",
  "(?<=[_;-])pwd",
  "secret",
  "token",
  "credentials?",
  "authorization",
  "connection[_-]?string",
  "api[_-]?key",
  "(?:access|private|secret|signing|encryption|master|account|shared)[_-]?key",
  "(?<!public)(?<!primary)(?<!foreign)[_-]key",
  "(?<=[:/_-])_?auth(?<=_auth)",
  "phpsessid",
  "jsessionid",
].join("|");

/** A value: quoted, quoted inside a JSON string, or bare. Excludes markers of an earlier pass. */
const VALUE = [
  '"(?!\\[redacted:)(?:[^"\\\\\\r\\n]|\\\\.)+"?',
  '\\\\"(?!\\[redacted:)(?:[^"\\\\\\r\\n]|\\\\[^"])+(?:\\\\")?',
  "'(?!\\[redacted:)[^'\\r\\n]+'?",
  // Also excludes the start of an object or list, and words that mean "no secret".
  "(?!\\[redacted:|[{[]\\s{0,4}[\"'{[}\\]\\\\]|[{[]\\s|(?:null|true|false)(?:[\\s\"'\\\\,;&}\\]]|$))[^\\s\\0\"'\\\\,;&]+",
].join("|");

export const TEXT_RULES: readonly TextRule[] = [
  {
    // A key without its end marker was cut short, so everything after its start is dropped.
    name: "private-key",
    secret:
      "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|$)",
  },
  {
    name: "jwt",
    secret:
      "(?:(?<![A-Za-z0-9_-])|(?<=%[0-9A-F]{2}))eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]*\\.[A-Za-z0-9_-]*(?:\\.[A-Za-z0-9_-]*){0,2}",
  },
  {
    name: "url-credentials",
    keep: "://(?!\\[redacted:)[^\\s:@/\"'<>]{0,256}:",
    secret: "(?!\\[redacted:)[^\\s/\"'<>\\\\]{1,512}(?=@)",
  },
  { name: "url-credentials", keep: "://", secret: "[^\\s:@/\"'<>\\\\[]{16,256}(?=@)" },
  {
    name: "authorization",
    keep: "(?i:authorization[\"'\\\\]{0,2}\\s{0,4}[:=]\\s{0,4}[\"'\\\\]{0,2})",
    secret: "(?!\\[redacted:)(?:[A-Za-z]{3,12}[ \\t]{1,4})?[^\\s\"'\\\\,;]+",
  },
  {
    name: "cookie",
    keep: "(?i:(?<![\\w-])(?:set-)?cookie:\\s{0,4})",
    secret: "(?!\\[redacted:)[^\\s\"'\\\\][^\\r\\n\"'\\\\]*",
  },
  {
    name: "bearer",
    keep: "(?i:(?<![A-Za-z])bearer[ \\t]{1,4})",
    secret: "[A-Za-z0-9._~+/=-]{16,}",
  },
  {
    // A line of an .env file, an environment or a container's Env. The rest of the line
    // is the value.
    name: "named",
    keep: `(?i:${SECRET_NAME})(?<=(?:^|[\\n\\0])(?:export )?[A-Z0-9_]{1,80})=`,
    secret: "(?![\"']?\\[redacted:)[^\\r\\n\\0]+",
  },
  {
    name: "named",
    keep: `(?i:${SECRET_NAME})(?<="[A-Z0-9_]{1,80})=`,
    secret: '(?!\\[redacted:)[^"\\\\\\r\\n]+',
  },
  {
    name: "named",
    keep: `(?i:(?:${SECRET_NAME})["'\\\\]{0,2}\\s{0,4}(?:=>|[:=](?!>))\\s{0,4})`,
    secret: `(?:${VALUE})`,
  },
  {
    name: "named",
    keep: `(?i:(?:${SECRET_NAME})(?<=--[a-z0-9_-]{0,60})[\\s\\0]{1,4})`,
    secret: `(?!-)(?:${VALUE})`,
  },
  {
    name: "password",
    keep: "(?<![\\w-])(?:-u|--user|--proxy-user)[\\s\\0=][^\\s\\0:\"']{0,64}:",
    secret: "(?!\\d{1,10}(?:[\\s\\0\"']|$))(?!\\[redacted:)[^\\s\\0\"']+",
  },
  { name: "aws-key", secret: "(?<![A-Z0-9])A(?:KIA|SIA)[A-Z0-9]{16}(?![A-Z0-9])" },
  { name: "github-token", secret: "gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}" },
  { name: "gitlab-token", secret: "gl(?:pat|rt|dt|cbt)-[A-Za-z0-9_-]{20,}" },
  {
    name: "slack-token",
    secret: "xox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\\.slack\\.com/services/[A-Za-z0-9/_+-]{20,}",
  },
  {
    name: "google-key",
    secret: "AIza[A-Za-z0-9_-]{35}|ya29\\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",
  },
  { name: "stripe-key", secret: "[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,}" },
  { name: "ai-key", secret: "(?<![A-Za-z0-9_-])sk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}" },
  { name: "npm-token", secret: "npm_[A-Za-z0-9]{36}" },
  { name: "pypi-token", secret: "pypi-AgE[A-Za-z0-9_-]{50,}" },
  { name: "sendgrid-key", secret: "SG\\.[A-Za-z0-9_-]{16,64}\\.[A-Za-z0-9_-]{16,}" },
  { name: "vault-token", secret: "hv[sbr]\\.[A-Za-z0-9_-]{20,}" },
  { name: "docker-token", secret: "dckr_pat_[A-Za-z0-9_-]{20,}" },
  { name: "digitalocean-token", secret: "do[opr]_v1_[a-f0-9]{64}" },
  { name: "age-key", secret: "AGE-SECRET-KEY-1[0-9A-Z]{58}" },
  {
    name: "password-hash",
    secret: "\\$(?:1|2[abxy]|5|6|y|argon2(?:id|i|d)|scrypt)\\$[./A-Za-z0-9$=,+]{8,}",
  },
  { name: "sonde-key", secret: "sonde_(?:ak|et)_[A-Za-z0-9_-]{20,}(?:\\.[0-9a-f]{64})?" },
];

const SECRET_KEY = new RegExp(`(?:${SECRET_NAME})$`, "i");
const SECRET_OPTION = new RegExp(`^--?[a-z0-9_-]{0,60}(?:${SECRET_NAME})$`, "i");

/** True when a member of this name holds a secret, whatever its value looks like. */
export function isSecretKey(name: string): boolean {
  return name.length <= 200 && SECRET_KEY.test(name);
}

/** True when a command's next argument is a secret. */
export function isSecretOption(argument: string): boolean {
  return argument.length <= 100 && SECRET_OPTION.test(argument);
}

/** Returns the marker's kind for a value that only its name gives away. */
export function kindOfName(name: string): string {
  const kinds = [
    ["password", /pass|pwd/i],
    ["token", /token|sessid|sessionid/i],
    ["authorization", /auth/i],
    ["connection-string", /connection/i],
    ["credential", /credential/i],
    ["key", /key/i],
  ] as const;
  return kinds.find(([, pattern]) => pattern.test(name))?.[0] ?? "secret";
}
