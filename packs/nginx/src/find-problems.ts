import { findAll, placeOf } from "./gather-config.ts";
import type { Directive } from "./parse-config.ts";

export type Problem = { problem: string; what: string; place: string };

const WEAK = ["SSLv2", "SSLv3", "TLSv1", "TLSv1.1"];
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost|unix)(:|$)/;

/** What is doubtful in a configuration that nginx takes, by a word for each. */
export function findProblems(http: readonly Directive[]): Problem[] {
  const servers = http.filter(({ name }) => name === "server");
  return [
    ...findAll(http, ["ssl_protocols"]).flatMap(weakProtocols),
    ...findAll(http, ["autoindex"]).flatMap((directive) =>
      directive.args[0] === "on" ? [tell("lists-folders", "autoindex on", directive)] : [],
    ),
    ...findAll(http, ["location"]).flatMap(leavesFolder),
    ...servers.flatMap(openStatus),
    ...sameNames(servers),
  ];
}

function tell(problem: string, what: string, directive: Directive): Problem {
  return { problem, what, place: placeOf(directive) };
}

function weakProtocols(directive: Directive): Problem[] {
  const weak = directive.args.filter((protocol) => WEAK.includes(protocol));
  return weak.length === 0 ? [] : [tell("weak-protocols", weak.join(" "), directive)];
}

/** `location /img { alias /srv/img/; }`: `/img../x` leads out of `/srv/img`. */
function leavesFolder({ args, block }: Directive): Problem[] {
  const [path = ""] = args.slice(-1);
  const isPrefix = args.length === 1 || args[0] === "^~";
  const alias = block?.find(({ name }) => name === "alias");
  if (alias === undefined || !isPrefix || path.endsWith("/")) return [];
  return (alias.args[0] ?? "").endsWith("/")
    ? [tell("path-escape", `location ${path} without a slash at its end, alias with one`, alias)]
    : [];
}

/** A status page that anybody can ask for. */
function openStatus(server: Directive): Problem[] {
  const block = server.block ?? [];
  const listens = block.filter(({ name }) => name === "listen");
  const isKept = (inner: readonly Directive[]): boolean =>
    inner.some(({ name, args }) => name === "deny" || (name === "auth_basic" && args[0] !== "off"));
  const isLocal = listens.length > 0 && listens.every(({ args }) => LOOPBACK.test(args[0] ?? ""));
  if (isLocal || isKept(block)) return [];
  return findAll(block, ["location"]).flatMap(({ args, block: inner }) => {
    const status = inner?.find(({ name }) => name === "stub_status");
    if (status === undefined || isKept(inner ?? [])) return [];
    return [tell("open-status", `location ${args.join(" ")}`, status)];
  });
}

/** Of two servers with one name at one port nginx asks the first alone. */
function sameNames(servers: readonly Directive[]): Problem[] {
  const seen = new Set<string>();
  return servers.flatMap((server) => {
    const block = server.block ?? [];
    const named = block.filter(({ name }) => name === "server_name");
    const names = new Set(named.flatMap(({ args }) => args));
    const listens = block.filter(({ name }) => name === "listen").map(({ args }) => args[0] ?? "");
    const ports = new Set(listens.length === 0 ? ["80"] : listens.map(portOf));
    const all = [...names].flatMap((name) => [...ports].map((port) => `${name} at ${port}`));
    const again = all.filter((one) => seen.has(one));
    for (const one of all) seen.add(one);
    return again.map((one) => tell("same-name", one, server));
  });
}

/** `80`, `[::]:80` and `*:80` are three sockets, and the name counts at each. */
function portOf(listen: string): string {
  return listen.startsWith("*:") ? listen.slice(2) : listen;
}
