import { anyCase } from "./any-case.ts";
import { TOKEN_FORMS } from "./token-forms.ts";

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

/** A token begins where a word does, or after an escape of a string or an address. */
const START = "(?<!(?<!\\\\|%[0-9A-F])[A-Za-z0-9])";

const RULES: readonly TextRule[] = [
  {
    name: "url-credentials",
    keep: "://(?!\\[redacted:)[^\\s:@/\"'<>]{0,256}:",
    secret: "(?!\\[redacted:)[^\\s/\"'<>\\\\]{1,512}(?=@)",
  },
  { name: "url-credentials", keep: "://", secret: "[^\\s:@/\"'<>\\\\[]{16,256}(?=@)" },
  {
    name: "bearer",
    keep: `(?<![A-Za-z])${anyCase("bearer")}[ \\t]{1,4}`,
    secret: "[A-Za-z0-9._~+/=-]{16,}",
  },
  {
    name: "password",
    keep: "(?<![\\w-])(?:-u|--user|--proxy-user)[\\s\\0=][^\\s\\0:\"']{0,64}:",
    secret: "(?!\\d{1,10}(?:[\\s\\0\"']|$))(?!\\[redacted:)[^\\s\\0\"']+",
  },
  {
    name: "signature",
    keep: "[?&;](?:sig|key|X-(?:Amz|Goog)-Signature)=",
    secret: "[A-Za-z0-9%+/=_-]{16,}",
  },
  {
    // The password in a .pgpass file: host, port, database, user, password.
    name: "password",
    keep: ":(?<=(?:^|\\n)[A-Za-z0-9_.*/-]{1,100}:)(?:\\d{1,5}|\\*):[^:\\s]{1,63}:[^:\\s]{1,63}:(?!\\[redacted:)",
    secret: "[^\\s:]{1,256}(?=[\\r\\n]|$)",
  },
  {
    name: "password",
    keep: `(?:${anyCase("identified by")}(?: ${anyCase("password")})?|${anyCase("password")}(?: FOR [^\\s]{1,80} =)?) (?=["'])`,
    secret: "[\"'](?!\\[redacted:)[^\"'\\r\\n]{1,256}[\"']",
  },
  {
    // In prose only what has a digit. "The password is required" stays.
    name: "password",
    keep: `${anyCase("password")}(?: for [^\\s]{1,80})? is `,
    secret: "(?=[^\\s]{0,80}[0-9])[^\\s\"',;]{4,}",
  },
  {
    name: "password",
    keep: "(?<![A-Za-z0-9])(?:password|ENV [A-Z0-9_]{0,60}(?:PASSWORD|TOKEN|SECRET|_KEY|PASS)) (?<=machine [^\\n]{1,200}|ENV [^\\n]{1,80})",
    secret: "(?!\\[redacted:)[^\\s]{1,256}",
  },
  {
    name: "password",
    keep: "(?<![A-Za-z0-9-])(?:sshpass -p ?|redis-cli [^\\n]{0,100}-a |mysql(?:dump|admin)? [^\\n]{0,100}-p(?=[^\\s]))",
    secret: "(?!\\[redacted:)[^\\s\\0]+",
  },
  // The rest of these tokens marks them, so their first characters stay.
  {
    name: "discord-token",
    secret:
      "\\.[A-Za-z0-9_-]{6}\\.[A-Za-z0-9_-]{27,40}(?<=[MNO][A-Za-z0-9_-]{23,25}\\.[A-Za-z0-9_-]{6}\\.[A-Za-z0-9_-]{27,40})",
  },
  { name: "telegram-token", secret: ":AA[A-Za-z0-9_-]{33}(?<=[0-9]{8,10}:AA[A-Za-z0-9_-]{33})" },
  { name: "azure-secret", secret: "[78]Q~[A-Za-z0-9_~.-]{31,34}" },
  { name: "terraform-token", secret: "\\.atlasv1\\.[A-Za-z0-9_=-]{60,}" },
  { name: "google-key", secret: "//0(?<=(?<![A-Za-z0-9])1//0)[A-Za-z0-9_-]{30,}" },
  {
    name: "password-hash",
    secret: "\\$(?:1|2[abxy]|5|6|y|7|apr1|argon2(?:id|i|d)|scrypt)\\$[./A-Za-z0-9$=,+]{8,}",
  },
];

/** The rules' names in the order of the pattern. Each has two groups: what stays, and the secret. */
export const RULE_NAMES = [...RULES.map(({ name }) => name), ...TOKEN_FORMS.map(([name]) => name)];

/** All rules as one pattern. */
export const RULES_PATTERN = new RegExp(
  [
    ...RULES.map(({ keep, secret }) => `(${keep ?? ""})(${secret})`),
    `${START}(?:${TOKEN_FORMS.map(([, form]) => `()(${form})`).join("|")})`,
  ].join("|"),
  "g",
);
