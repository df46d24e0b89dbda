import type { Secret } from "./replace-secrets.ts";

/** A password's value: quoted, or a shell word. Neither an option nor a reference. */
const VALUE = /"[^"\r\n]{1,256}"|'[^'\r\n]{1,256}'|[^\s\0"'|;&]{1,256}/y;

/**
 * A short option before its value, apart or joined. The value has a letter or a mark, since ports
 * and counts are no passwords. Its groups: the option, and what separates it from its value.
 */
export const SHORT_OPTION = `-(?<=[\\s\\0"'(]-)(pw|rp|[pPwWNkaAXcx])((?:["'],?)?[ \\t\\0]{1,4}(?:a[0-9]{1,3}=)?(?![-<]|\\$[A-Z_{(])(?=[^\\s\\0]{0,256}[A-Za-z!])|(?<=-[pPw])(?=["']?[^\\s\\0"'-]))`;

/** The commands whose option takes a secret, from their manual pages, by option. */
const APART: Record<string, string> = {
  p: "mongo(?:sh|dump|restore|export|import|stat|top)?|cqlsh|cypher-shell|psexec(?:64)?(?:\\.exe)?|winexe|twine|useradd|usermod|sshpass|racadm|openfortivpn|rdesktop|beeline|hdbsql|rabbitmqadmin|hydra|ncftp[a-z]{3}|ssh-keygen|tabcmd|influx|az|(?:docker|podman|buildah|nerdctl|skopeo|oc|cf|crane auth|helm registry) login",
  P: "sqlcmd|isql|ssh-keygen|bcp|osql|tsql|ipmitool|zip|unzip|mosquitto_(?:pub|sub|rr)",
  w: "ldap[a-z]{3,8}|kadmin(?:\\.local)?|vsql",
  N: "ssh-keygen",
  a: "redis-(?:cli|benchmark)",
  A: "snmp[a-z]{3,9}",
  X: "snmp[a-z]{3,9}",
  c: "snmp[a-z]{3,9}",
  pw: "plink|pscp|psftp|putty",
};
/** The same for a value without a space before it. */
const JOINED: Record<string, string> = {
  p: "mysql[a-z]{0,10}|mariadb[a-z-]{0,10}|7z[azr]?|rar|unrar|sshpass|rdesktop",
  P: "ipmitool|zip|unzip",
  w: "ldap[a-z]{3,8}",
};
const COMMANDS = { apart: compile(APART), joined: compile(JOINED) };

/**
 * Finds the value of a short option such as `mysql -px1`, when its command stands before it on the
 * line, or when the value looks like a password.
 *
 * @returns the value's place without its quotes, or undefined when it is no secret
 */
export function findOptionValue(
  text: string,
  at: number,
  option: string,
  gap: string,
): Secret | undefined {
  const before = text.slice(Math.max(0, at - 200), at);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const commands = (gap === "" ? COMMANDS.joined : COMMANDS.apart).get(option);
  VALUE.lastIndex = at + 1 + option.length + gap.length;
  const value = VALUE.exec(text);
  // A marker of an earlier pass stays, and what a shell or a reader puts in.
  if (value === null || /^"\$[A-Za-z_{(]|^PASS(?:WORD|WD)?$|\[redacted:/.test(value[0]))
    return undefined;
  const quotes = /^["']/.test(value[0]) ? 1 : 0;
  const isKnown = commands?.test(line) ?? false;
  if (!isKnown && !isPasswordLike(value[0].slice(quotes, value[0].length - quotes)))
    return undefined;
  const start = value.index + quotes;
  return { start, end: VALUE.lastIndex - quotes, kind: "password", before: "", after: "" };
}

/**
 * True for what people and generators make when letters of both cases, digits and a mark are asked
 * for. A name such as `Project12` is none.
 */
function isPasswordLike(value: string): boolean {
  if (!/^[^\s/.:,;=()[\]{}<>]{8,64}$/.test(value)) return false;
  if (!/[a-z]/.test(value) || !/[A-Z]/.test(value) || !/[0-9]/.test(value)) return false;
  return /[!$%^*?#&]/.test(value) || (value.length >= 12 && /[A-Za-z][0-9][A-Za-z]/.test(value));
}

/** A command at the beginning of a word, also behind its folder. */
function compile(table: Record<string, string>): Map<string, RegExp> {
  const compiled = Object.entries(table).map(
    ([option, names]) => [option, new RegExp(`(?<![\\w.-])(?:${names})(?![\\w.-])`)] as const,
  );
  return new Map(compiled);
}
