import { COMMAND_RULES, WORD } from "./command-rules.ts";
import type { Secret } from "./replace-secrets.ts";
import { type TextRule } from "./text-rule.ts";
import { TOKEN_FORMS } from "./token-forms.ts";
import { PPP_CLIENT, PPP_SECRET, WORD_RULES, WORD_START } from "./word-rules.ts";

/** A token begins where a word does, or after an escape of a string or an address. */
const TOKEN_START = "(?<!(?<!\\\\|%[0-9A-F])[A-Za-z0-9])";
/** What stands for a password in a template or a document. */
const PLACEHOLDER =
  "(?:\\$(?:[A-Z_][A-Z0-9_]{0,60}|\\{[A-Za-z_]\\w{0,60}\\})|\\{[a-z_]{1,40}\\}|PASS(?:WORD|WD)?|TOKEN|SECRET|\\*{3,}|[xX]{3,})";

/** The rules that begin with a sign. */
const SIGN_RULES: readonly TextRule[] = [
  {
    name: "url-credentials",
    keep: "://(?!\\[redacted:)[^\\s:@/\"'<>]{0,256}:",
    secret: `(?!\\[redacted:|${PLACEHOLDER}@)[^\\s/"'<>\\\\]{1,512}(?=@)`,
  },
  { name: "url-credentials", keep: "://", secret: "[^\\s:@/\"'<>\\\\[]{16,256}(?=@)" },
  {
    // Where a share is mounted from: //user:password@server/share.
    name: "url-credentials",
    keep: "//(?<=(?:^|[^\\w:/.\\\\)\\]-]|\\\\[nrt])//)(?!\\[redacted:)[^\\s:@/\"'<>]{0,256}:",
    secret: `(?!\\[redacted:)(?!${PLACEHOLDER}@)[^\\s/"'<>\\\\]{1,512}(?=@[\\w.\\[\\]:-]{1,255}/)`,
  },
  {
    name: "password",
    keep: "(?<![\\w-])(?:-u|--user|--proxy-user)(?:[\\s\\0=]|[\"'],[ ]{0,2}|(?<=curl [^\\n]{0,200}-u)(?=\\w))[\"']?[^\\s\\0:\"']{0,64}:",
    secret:
      "(?!//|[a-z0-9]{1,20}://)(?!\\d{1,10}(?:[\\s\\0\"']|$))(?!\\[redacted:|(?:\\$(?:[A-Z_][A-Z0-9_]{0,60}|\\{[^}\\s]{1,80}\\})|<[\\w-]{1,40}>)(?:[\\s\\0\"']|$))[^\\s\\0\"']+",
  },
  {
    // Options whose names tell too little.
    name: "password",
    keep: "(?<![\\w-])(?:--from-literal[= ][\\w.-]{1,60}=(?<= secret [^\\r\\n]{0,300})|--env [A-Za-z0-9_]{0,60}(?:PASSWORD|PASSWD|TOKEN|SECRET|_KEY|PASS) |--oauth2-bearer[ =]|(?:--key|--?encrypt)[ =](?=\\S{0,100}[0-9])(?=\\S{0,100}[A-Z])(?=\\S{0,100}[a-z])(?=[A-Za-z0-9+/_-]{16,100}={0,2}(?:[\\s\"']|$)))",
    secret: WORD,
  },
  {
    name: "signature",
    keep: "[?&;](?:sig|signature|key|code|sid|ticket|jsessionid|hmac|X-(?:Amz|Goog)-Signature)=",
    secret: "[A-Za-z0-9%+/=_-]{16,}",
  },
  {
    // The password in a .pgpass file: host, port, database, user, password.
    name: "password",
    keep: ":(?<=(?:^|\\n)[A-Za-z0-9_.*/-]{1,100}:)(?:\\d{1,5}|\\*):[^:\\s]{1,63}:[^:\\s]{1,63}:(?!\\[redacted:)",
    secret: "[^\\s:]{1,256}(?=[\\r\\n]|$)",
  },
  {
    // Oracle's user/password@db:1521/service and user/password@ALIAS.
    name: "password",
    keep: "/(?<=(?<![\\w./@-])[A-Za-z][\\w$#]{1,30}/)",
    secret:
      "(?!\\[redacted:)[^\\s/@\"']{4,64}(?=@(?:(?://)?[\\w.-]{1,100}:[0-9]{2,5}(?![\\w])|//[\\w.-]{1,100}/|[A-Z][A-Z0-9_]{2,30}(?![\\w.:-])))",
  },
  {
    // The digest in a file of htdigest(1): user, realm, MD5.
    name: "password-hash",
    secret: ":[0-9a-f]{32}(?=[\\r\\n]|$)(?<=(?:^|\\n)[\\w.@-]{1,64}:[^:\\r\\n]{1,64}:[0-9a-f]{32})",
  },
  {
    // NAME:PASSWORD before a driver's address, as in app:x1@tcp(db:3306)/app, before HOST:PORT, as
    // proxies are written, and anywhere if it has letters of both cases, digits and a mark.
    name: "password",
    keep: "(?<!\\[redacted):",
    secret: `(?=[^\\s:@"']{4})(?![0-9.]{1,40}@)(?!\\[redacted:|//|${PLACEHOLDER}(?:[@\\s"']|$))(?:[^\\s:@"'()]{1,128}(?=@(?:tcp6?|unix)?\\()|(?=[^\\s:@/]{0,64}[0-9])[^\\s:@/"']{6,64}(?=@[\\w.-]{1,100}:[0-9]{2,5}(?![\\w]))|(?=[^\\s:@]{0,64}[!$%^*?])(?=[^\\s:@]{0,64}[0-9])(?=[^\\s:@]{0,64}[A-Z])(?=[^\\s:@]{0,64}[a-z])[A-Za-z0-9!$%^*?#&_-]{8,64}(?=[\\s"'@]|$))`,
  },
  {
    // What a shell hands to a command's input.
    name: "password",
    keep: "<<< ?(?<=(?:kinit|passwd|cryptsetup|sudo|sshfs|pass|op|keepassxc-cli|--pass(?:word|phrase)?)(?: [^\\r\\n<]{1,80})? ?<<< ?)(?:[\"']?[a-z_][\\w-]{0,30}:)?",
    secret:
      "(?![$<]|[\"']?\\[redacted:)(?:\"[^\"\\r\\n]{1,256}\"|'[^'\\r\\n]{1,256}'|[^\\s\"'|;&]{1,256})",
  },
  {
    // Samba's user%password.
    name: "password",
    keep: "%(?<=(?:-U ?|--user[= ])[\"']?[^\\s%\"']{1,64}%)",
    secret: "(?!\\[redacted:)[^\\s\"']{1,256}",
  },
  {
    // The secrets of pppd: client, server, secret, addresses.
    name: "secret",
    keep: `\\*(?<=${PPP_CLIENT}\\*)[ \\t]{1,8}`,
    secret: PPP_SECRET,
  },
  {
    // The private members of an RSA key in XML; RFC 4051, section 2.3 names the public ones.
    name: "private-key",
    keep: "<(?:D|P|Q|DP|DQ|InverseQ)>",
    secret: "[A-Za-z0-9+/=]{24,4000}(?=</)",
  },
  {
    // A webhook's address, whose drawn end is all that its caller needs.
    name: "webhook",
    keep: "//hooks?\\.[\\w.:-]{1,100}/(?:[\\w-]{1,20}/){0,5}",
    secret: "(?=[A-Za-z_-]{0,100}[0-9])[A-Za-z0-9_-]{24,128}",
  },
  // The rest of these tokens marks them, so their first characters stay.
  {
    name: "discord-token",
    secret:
      "\\.[A-Za-z0-9_-]{6}\\.[A-Za-z0-9_-]{27,40}(?<=[MNO][A-Za-z0-9_-]{23,25}\\.[A-Za-z0-9_-]{6}\\.[A-Za-z0-9_-]{27,40})",
  },
  { name: "telegram-token", secret: ":AA[A-Za-z0-9_-]{33}(?<=[0-9]{8,10}:AA[A-Za-z0-9_-]{33})" },
  { name: "azure-secret", secret: "Q~[A-Za-z0-9_~.-]{31,34}(?<=[78]Q~[A-Za-z0-9_~.-]{31,34})" },
  { name: "terraform-token", secret: "\\.atlasv1\\.[A-Za-z0-9_=-]{60,}" },
  { name: "google-key", secret: "//0(?<=(?<![A-Za-z0-9])1//0)[A-Za-z0-9_-]{30,}" },
  {
    name: "password-hash",
    secret:
      "\\{(?:PLAIN|plain|CLEAR(?:TEXT)?|cleartext)\\}[^\\s:]{1,128}|\\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|PBKDF2[A-Z0-9-]{0,12}|ARGON2I?D?)\\}[A-Za-z0-9+/=$.,-]{16,256}|\\$(?:1|2[abxy]|5|6|y|7|apr1|argon2(?:id|i|d)|scrypt)\\$[./A-Za-z0-9$=,+]{8,}",
  },
];

/**
 * The rules in the order in which a text is searched. Three patterns are faster than one of all
 * rules, since the engine skips text by a pattern's first characters. Each rule has two groups:
 * what stays, and the secret. A token's form comes before the words around it, since its kind says
 * more. No match is shorter than `shortest`, in characters.
 */
export const RULE_PASSES = [
  compile("", SIGN_RULES, 5),
  compile(
    TOKEN_START,
    TOKEN_FORMS.map(([name, secret]) => ({ name, secret })),
    13,
  ),
  compile(WORD_START, [...COMMAND_RULES, ...WORD_RULES], 8),
];

function compile(start: string, rules: readonly TextRule[], shortest: number) {
  const forms = rules.map(({ keep, secret }) => `(${keep ?? ""})(${secret})`);
  return {
    shortest,
    names: rules.map(({ name }) => name),
    pattern: new RegExp(`${start}(?:${forms.join("|")})`, "g"),
  };
}

type Pass = ReturnType<typeof compile>;

/** What most passes find in most texts. */
const NOTHING: readonly Secret[] = [];

/** Finds what has the form of a secret, whatever its name. Each step sees the markers before it. */
export const FORM_STEPS = RULE_PASSES.map((pass) => (text: string) => findByForm(text, pass));

function findByForm(text: string, { names, pattern, shortest }: Pass): readonly Secret[] {
  if (text.length < shortest) return NOTHING;
  pattern.lastIndex = 0;
  let found = pattern.exec(text);
  if (found === null) return NOTHING;
  const secrets: Secret[] = [];
  for (; found !== null; found = pattern.exec(text)) {
    const groups = found;
    const rule = names.findIndex((_, index) => groups[2 + index * 2] !== undefined);
    const [keep = "", secret = ""] = found.slice(1 + rule * 2);
    // What a marker stands in, or its end, was replaced before.
    if (keep.endsWith("[redacted:") || secret.includes("[redacted:")) continue;
    const start = found.index + keep.length;
    const end = start + secret.length;
    secrets.push({ start, end, kind: names[rule] ?? "secret", before: "", after: "" });
  }
  return secrets;
}
