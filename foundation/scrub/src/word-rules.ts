import { anyCase } from "./any-case.ts";
import { type TextRule } from "./text-rule.ts";

const PASSWORD = anyCase("password");
const NOT_BEFORE = "(?!\\[redacted:)";
const CODES = [
  ...["otp", "verification", "security", "login", "one-time", "2fa", "mfa"],
  ...["confirmation", "authentication", "recovery", "backup"],
].map(anyCase);
const CODE = anyCase("code");

/** The first field of a line of chap-secrets; pppd(8), AUTHENTICATION. */
export const PPP_CLIENT = '(?:^|\\n)(?:"[^"\\s]{1,64}"|[\\w.@*-]{1,64})[ \\t]{1,8}';
export const PPP_SECRET =
  '(?!\\[redacted:)(?:"[^"\\r\\n]{1,128}"|[^\\s"*]{4,128})(?=[ \\t]{1,8}(?:\\*|[0-9.]{7,15}|-)[ \\t]*(?:[\\r\\n]|$))';

/** The rules that begin with a word. */
export const WORD_RULES: readonly TextRule[] = [
  { name: "bearer", keep: `${anyCase("bearer")}[ \\t]{1,4}`, secret: "[A-Za-z0-9._~+/=-]{16,}" },
  {
    name: "code",
    keep: "[uU]se ",
    secret: "[0-9]{4,8}(?= (?:as|for) your [a-z -]{0,30}code)",
  },
  {
    // The identifier of a session, where the value looks drawn.
    name: "token",
    keep: "(?:sid|ticket|session: id)=",
    secret: "(?=[^\\s]{0,100}[0-9])(?=[^\\s]{0,100}[A-Za-z])[A-Za-z0-9_.-]{24,256}(?![\\w/])",
  },
  {
    name: "password",
    keep: `(?:${anyCase("identified by")}(?: ${PASSWORD})? |${PASSWORD}(?: FOR [^\\s]{1,80} =)?(?: ?\\(| ))(?=["'])`,
    secret: `["']${NOT_BEFORE}[^"'\\r\\n]{1,256}["']`,
  },
  {
    // In prose only what has a digit. "The password is required" stays.
    name: "password",
    keep: `${PASSWORD}(?: for [^\\s]{1,80})? is `,
    secret: "(?=[^\\s]{0,80}[0-9])[^\\s\"',;]{4,}",
  },
  {
    // "Password for the elastic user: x1", and on the line after the next.
    name: "password",
    keep: `${PASSWORD} (?:for|is|to|has been|was|generated)\\b[^\\r\\n:]{0,120}:(?:[ \\t]{1,4}|(?:\\r?\\n){1,2})`,
    secret: `(?=\\S{0,128}[0-9])(?=\\S{0,128}[A-Za-z])(?!\\S{0,128}[:/])${NOT_BEFORE}\\S{8,128}(?=\\s|$)`,
  },
  {
    // A strong password behind the word, as in "login password x1 retry" and "password 7 x1".
    name: "password",
    keep: `(?:${PASSWORD}|${anyCase("passphrase")}|${anyCase("secret")})(?: [0-9]| encrypted)? (?!\\[)(?=["']?[^\\s"'/:,;]{6,128}["']?(?![^\\s,;)]))`,
    secret: `(?!["']?\\[redacted:)(?:"(?=[^"]{0,128}[0-9])[^\\s"]{6,128}"|'(?=[^']{0,128}[0-9])[^\\s']{6,128}'|(?=\\S{0,128}[0-9])(?=\\S{0,128}[a-z])(?=\\S{0,128}[A-Z!$%*+=?^])[^\\s"']{6,128})`,
  },
  {
    // The last word of a line, as in "user admin password x1". A method such as sha512 is none.
    name: "password",
    keep: `${PASSWORD} (?:[0-9] )?(?![A-Za-z]{2,8}-?[0-9]{1,3}(?:-[0-9]{3})?(?![\\w-]))`,
    secret: `${NOT_BEFORE}(?=\\S{0,128}[0-9])(?=\\S{0,128}[A-Za-z])[^\\s"'/:,;()]{6,128}(?=[ \\t]{0,8}(?:[\\r\\n]|$))`,
  },
  {
    // "Login with admin/x1", "Default credentials: admin / x1".
    name: "password",
    keep: "(?:[cC]redentials|[lL]ogin)(?: with|:) [\\w.@-]{1,40} ?[/:] ?",
    secret: `${NOT_BEFORE}(?=\\S{0,128}[0-9])[^\\s"'/:,;()]{6,128}`,
  },
  {
    // The login of a .netrc file.
    name: "password",
    keep: "password (?<=(?:machine [^\\n]{1,100}|default) login [^\\n]{1,100})",
    secret: `${NOT_BEFORE}[^\\s]{1,256}`,
  },
  {
    name: "password",
    keep: "(?:ENV|setx|setenv|SetEnv) [A-Za-z0-9_]{0,60}(?:PASSWORD|PASSWD|TOKEN|SECRET|_KEY|PASS) ",
    secret: `${NOT_BEFORE}[^\\s]{1,256}`,
  },
  {
    // `npm config set _authToken x1` and `redis-cli CONFIG SET requirepass x1`.
    name: "password",
    keep: `(?:${anyCase("set")}|put|config) [\\w./:-]{0,80}(?:${["password", "pass", "token", "secret", "_key"].map(anyCase).join("|")}) `,
    secret: `${NOT_BEFORE}(?=[^\\s]{0,80}[0-9])(?=[^\\s]{0,80}[A-Za-z])[^\\s"']{8,256}`,
  },
  {
    // Keys of network devices, as in "radius-server key x1".
    name: "key",
    keep: "(?:authentication-key|pre-shared-key(?: ascii-text| hexadecimal)?|key-string|isakmp key|(?:radius|tacacs)-server (?:host \\S{1,64} )?key|message-digest-key [0-9]{1,3} md5|standby [0-9]{1,3} authentication|wpa-psk ascii|auth (?:md5|sha)|priv aes [0-9]{3}|snmp community)(?: [0-9])? ",
    secret: `${NOT_BEFORE}(?=\\S{0,128}[0-9])[^\\s]{6,128}`,
  },
  {
    // "Your API key is x1" and "invalid token x1", where the value looks drawn.
    name: "token",
    keep: `(?:${anyCase("token")}|(?:${["api", "secret", "access", "recovery", "license"].map(anyCase).join("|")})[ _-]${anyCase("key")})(?: is)?:? ["']?|AUTH (?:[a-z]{1,20} )?`,
    secret: `${NOT_BEFORE}(?=[^\\s]{0,100}[0-9])(?=[^\\s]{0,100}[A-Za-z])[A-Za-z0-9_-]{20,256}(?![\\w./])`,
  },
  {
    name: "code",
    keep: `(?:OTP|[yY]our (?:[a-z-]{1,20} )?(?:code|pin|PIN|OTP) is) `,
    secret: "[0-9]{4,8}(?![\\w.])",
  },
  {
    name: "code",
    keep: `${CODE}(?<=(?:${CODES.join("|")}) ${CODE})(?: (?:for|of) [^\\s:]{1,80}| is)?:? `,
    secret: "[0-9]{4,8}(?![\\w.])",
  },
  {
    // A login of FTP, POP and IRC, and of SMTP in Base64; RFC 959, 1939 and 4954.
    name: "password",
    keep: "(?:PASS (?<=USER [^\\s]{1,80}\\s{1,2}PASS )|PASS (?=oauth:)|IDENTIFY (?<=NickServ[^\\n]{1,20})|AUTH PLAIN |UGFzc3dvcmQ6\\s{1,2}|SSWS |ENC (?<=set [\\w-]{1,40} ENC ))",
    secret: `${NOT_BEFORE}[^\\s]{1,256}`,
  },
  {
    // A login as NAME:PASSWORD at the end of a line of a configuration.
    name: "password",
    keep: "(?:stats auth|register =>|user=[\\w.-]{1,64}(?=:)|user(?: [a-z]{1,20})? ?=|login=[\\w.-]{1,64}(?=:))[ \\t]{0,4}[\\w.-]{0,64}:",
    secret: `${NOT_BEFORE}(?![0-9]{1,10}(?:\\s|$))(?=[^\\s]{0,128}[0-9!])[^\\s:/@]{4,128}(?=\\s|@|$)`,
  },
  {
    // The secrets of ipsec.secrets(5).
    name: "secret",
    keep: '(?:PSK|EAP|XAUTH|NTLM|(?:RSA|ECDSA|PKCS12) [\\w./-]{1,80}) (?<=: ?[A-Z0-9]{3,6} [^\\r\\n]{0,82})(?=")',
    secret: `"${NOT_BEFORE}[^"\\r\\n]{1,256}"`,
  },
  {
    // The words that a wallet is restored from; BIP 39.
    name: "secret",
    keep: "(?:seed|recovery|mnemonic) (?:phrase|words)(?: is)?[:=]? ?[\"']?",
    secret: "(?:[a-z]{3,8} ){11,23}[a-z]{3,8}",
  },
  {
    name: "password",
    keep: `${anyCase("pass")} ${anyCase("phrase")}(?: for [^\\r\\n:]{1,80})?: `,
    secret: `${NOT_BEFORE}(?=\\S{0,128}[0-9])\\S{6,128}`,
  },
  {
    // The communities and keys of SNMP; snmpd.conf(5).
    name: "community",
    keep: "(?:r[ow]community6?|trapcommunity|snmp-server community|com2sec6? \\S{1,64} \\S{1,64}|createUser \\S{1,64} (?:MD5|SHA(?:-?[0-9]{3})?)|(?:AES|DES)(?<=createUser [^\\n]{1,120})) ",
    secret: `${NOT_BEFORE}[^\\s]{3,128}`,
  },
  {
    name: "secret",
    keep: `pp(?:p|tp)d(?<=${PPP_CLIENT}pp[a-z]{2,3})[ \\t]{1,8}`,
    secret: PPP_SECRET,
  },
  {
    // A key without a word before it, where the value looks drawn.
    name: "key",
    keep: '(?:Unseal Key [0-9]{1,2}: |key(?:=| (?=")))"?|encrypt[ =]{1,3}"?',
    secret:
      "(?=[^\\s]{0,100}[0-9])(?=[^\\s]{0,100}[A-Z])(?=[^\\s]{0,100}[a-z])[A-Za-z0-9+/_-]{20,100}={0,2}(?![\\w/.])",
  },
];

/** Where a rule of `WORD_RULES` may begin. The engine finds the edge of a word fastest. */
export const WORD_START = "\\b(?<!-)";
