/** What nginx's own words mean, the most telling first. Texts of its source, compared as they are. */
const KINDS: readonly [text: string, kind: string][] = [
  ["worker_connections are not enough", "connections-limit"],
  ["Too many open files", "file-limit"],
  ["No space left on device", "disk-full"],
  ["no live upstreams", "no-live-upstream"],
  ["could not be resolved", "upstream-unknown"],
  ["host not found in upstream", "upstream-unknown"],
  ["upstream timed out", "upstream-timeout"],
  ["upstream prematurely closed", "upstream-closed"],
  ["recv() failed", "upstream-closed"],
  ["upstream sent", "upstream-answer"],
  ["FastCGI sent in stderr", "upstream-words"],
  ["Connection refused", "upstream-refused"],
  ["connect() failed", "upstream-unreachable"],
  ["connect() to", "upstream-unreachable"],
  ["SSL_do_handshake() failed", "handshake"],
  ["limiting requests", "rate-limited"],
  ["limiting connections", "rate-limited"],
  ["client intended to send too large body", "body-too-large"],
  ["exited on signal", "worker-crashed"],
  ["bind() to", "port-taken"],
  ["Permission denied", "no-permission"],
  ["No such file or directory", "no-such-file"],
  ["is forbidden", "forbidden"],
  ["access forbidden by rule", "forbidden"],
  ["conflicting server name", "same-name"],
];

/** A message in a word, for rules and for a reader who does not know nginx. */
export function kindOf(message: string): string {
  return KINDS.find(([text]) => message.includes(text))?.[1] ?? "other";
}
