import { type TextRule } from "./text-rule.ts";

/** What a shell hands over as one word, or a quoted text. */
export const WORD =
  '(?![-<]|\\$[A-Z_{(]|"\\$[A-Za-z_{(]|["\']?\\[redacted:)(?:"[^"\\r\\n]{1,256}"|\'[^\'\\r\\n]{1,256}\'|[^\\s\\0"\'|;&]{1,256})';

/**
 * Commands that take a password at a place of their own, from their manual pages: their names, and
 * what stands between the name and the password.
 */
const PLACES: Record<string, string> = {
  "htpasswd mosquitto_passwd":
    " (?=(?:-[A-Za-z0-9]+ ){0,4}-[A-Za-z]*b)(?:-(?=[A-Za-z]*n)[A-Za-z]+ |(?:-[A-Za-z0-9]+ ){1,4}[^\\s-]\\S{0,200} )[^\\s-]\\S{0,64} ",
  net: " use(?:r [^\\s/]{1,64}| [^\\r\\n]{0,120}/user:\\S{1,80}) ",
  rabbitmqctl: " [^\\r\\n]{0,80}(?:add_user|change_password|authenticate_user) \\S{1,80} ",
  wpa_passphrase: ' (?:"[^"\\r\\n]{1,64}"|\\S{1,64}) ',
  isql: " (?:-\\S{1,20} ){0,4}\\w\\S{0,60} [A-Za-z]\\S{0,60} ",
  iwconfig: " [^\\r\\n]{0,80}key (?:s:)?",
  iw: " [^\\r\\n]{0,60}key [0-9d]:(?:[0-9]:)?",
  "nmcli wpa_cli": " [^\\r\\n]{0,80}psk '?",
  mkpasswd: "(?: -[A-Za-z0-9-]{1,20}(?: sha-?[0-9]{3})?){0,3} (?!sha-?[0-9]{3} )",
  openssl:
    "(?: passwd(?: -[A-Za-z0-9-]{1,20}(?: sha-?[0-9]{3})?){0,3} (?!sha-?[0-9]{3} )| [^\\r\\n]{0,80}-(?:hmac|psk|K) )",
  lftp: " [^\\r\\n]{0,80}-u [^\\s,]{1,64},",
  virsh: " set-user-password \\S{1,64} \\S{1,64} ",
  mc: " (?:alias set|config host add) \\S{1,64} \\S{1,200} \\S{1,64} ",
  bw: " (?:unlock|login \\S{1,64}) ",
  "composer poetry":
    " config (?:[^\\r\\n]{0,60}basic\\.\\S{1,80} \\S{1,64}|pypi-token\\.\\S{1,60}) ",
  "ansible-vault": " encrypt_string (?:-\\S{1,40} ){0,3}",
  aws: " ssm put-parameter (?=[^\\r\\n]{0,300}SecureString)[^\\r\\n]{0,200}--value[ =]",
  gh: " secret set [^\\r\\n]{0,80} (?:--body[ =]|-b ?)",
  "schtasks schtasks\\.exe": " [^\\r\\n]{0,120}/[rR][pP] ",
  sendemail: " [^\\r\\n]{0,120}-xp ",
  pdftk: " [^\\r\\n]{0,80}_pw ",
  ldappasswd: " [^\\r\\n]{0,120}-[as] ?",
  mysqladmin: " [^\\r\\n]{0,80}password ",
  rclone: " (?:obscure|config [^\\r\\n]{0,80}pass) ",
  "connect CONNECT attach ATTACH":
    " [^\\r\\n]{0,60}(?:user|USER) ['\"]?[\\w.-]{1,64}['\"]? (?:using|USING) (?!password\\b)",
  "sqlplus rman sqlldr exp imp expdp impdp conn connect Connect CONN CONNECT":
    "(?: -[A-Za-z]{1,3}){0,3}(?: target)? [A-Za-z][\\w$#]{0,30}/(?=[^\\s/@]{4,64}(?:[\\s@]|$))",
  "redis-cli":
    " [^\\r\\n]{0,100}AUTH (?:[a-z][\\w-]{0,30} )?(?=\\S{0,128}[0-9])(?=\\S{6,128}(?:[\\s\"']|$))",
  "xfreerdp xfreerdp3 wlfreerdp wlfreerdp3 sdl-freerdp sdl-freerdp3": " [^\\r\\n]{0,160}/p:",
  vault: " (?:login|operator unseal) (?:-\\S{1,60} ){0,3}(?![a-z_]{1,40}=)",
  steamcmd: " [^\\r\\n]{0,100}\\+login [^\\s+]\\S{0,64} (?!\\+)",
  curl: " [^\\r\\n]{0,200}(?:-b ?|--cookie[= ])[\"']?[\\w.-]{1,64}=",
  "http https": " [^\\r\\n]{0,120}(?:-a|--auth)[ =][^\\s:]{1,64}:",
  doctl: " [^\\r\\n]{0,100}-t ",
  ngrok: " (?:config )?(?:add-)?authtoken ",
  cloudflared: " service install ",
  cargo: " login ",
  MONITOR: " \\S{1,80} [0-9]{1,2} \\S{1,64} (?=\\S{1,128} (?:master|slave|primary|secondary))",
};
const COMMANDS = Object.entries(PLACES).map(
  ([names, place]) => `(?:${names.replaceAll(" ", "|")})${place}`,
);

/** The rules that begin with a command or a word of its line. */
export const COMMAND_RULES: readonly TextRule[] = [
  { name: "password", keep: `(?:${COMMANDS.join("|")})`, secret: WORD },
  {
    // What `echo` prints for an option that runs a command: `--passwordeval="echo x1"`.
    name: "password",
    keep: "(?:echo|printf)(?: -[neE]{1,3})? [\"']?(?<=pass[a-z_-]{0,24}[= ][\"']?<?\\(?[a-z]{4,6}(?: -[neE]{1,3})? [\"']?)",
    secret: "(?![\\s\"'$])[^\\s\"')]{1,256}",
  },
  {
    // What `echo` hands to a command that reads a password from its input.
    name: "password",
    keep: "(?:echo|printf)(?: -[neE]{1,3})? [\"']?(?:[A-Za-z_][\\w.-]{0,64}:)?",
    secret:
      "(?![\\s\"'|$])[^\"'|\\r\\n$]{1,256}(?=[\"']? ?\\| ?(?:sudo (?!-S)(?:-\\S{1,20} ){0,3})?(?:chpasswd|smbpasswd|passwd |sudo -S|kinit|cryptsetup|vncpasswd|[^|\\r\\n]{1,120}--(?:password-)?stdin))",
  },
  {
    // What a script of expect(1) types for a person.
    name: "password",
    keep: "send (?:-- )?\\\\?[\"']",
    secret: "(?=\\S{0,128}[0-9])(?=\\S{0,128}[A-Za-z])[^\\s\"'\\\\]{6,128}(?=\\\\{1,2}r)",
  },
];
