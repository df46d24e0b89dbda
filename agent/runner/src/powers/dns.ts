import { readFileSync } from "node:fs";
import { isIP, isIPv4, isIPv6 } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { DnsData } from "@sonde/schemas/reads";
import { parseServer, renderDnsQuestion } from "@sonde/sources";
import { type Asked, askServer, type Server } from "./ask-server.ts";
import type { Question } from "./dns-message.ts";
import { isWithinReach } from "./local-address.ts";
import { msSince } from "./ms-since.ts";
import type { Power, Reach } from "./power.ts";
import { readFailure } from "./read-failure.ts";

const RESOLV_CONF = "/etc/resolv.conf";
/** MAXNS of resolv.conf(5). */
const MOST_SERVERS = 3;
/** How often a server is asked that says nothing: a packet may be lost. */
const ROUNDS = 2;
/** Left of a read's time for its answer, so that a server's silence is told as such. */
const ANSWER_MS = 150;
/** After these another server may know better, as for the host's own resolver. */
const NEXT_SERVER = ["SERVFAIL", "REFUSED", "NOTIMP"];

type Answered = Extract<Asked, { outcome: "answered" }>;

/**
 * Puts one question to a name server, or to those of the host in their order. What no server answers
 * is data: whoever wants to know why a name fails has to tell a timeout from a refusal.
 */
export const askNameServers: Power<"dns"> = async (source, values, { endsAt, reach, signal }) => {
  const { name, type } = renderDnsQuestion(source, values);
  const question = { name: type === "PTR" ? reverseName(name) : name, type };
  const servers =
    source.server === "resolver" ? readServers(RESOLV_CONF) : [parseServer(source.server)];
  const { tried, last } = await askInTurn(question, servers, {
    end: endsAt - ANSWER_MS,
    reach,
    signal,
  });
  if (tried.length > 0 && tried.every(({ outcome }) => outcome === "not-permitted")) {
    const addresses = tried.map(({ server }) => server).join(", ");
    throw new SondeError(
      "PERMISSION_NEEDED",
      `the runner may not send to ${addresses}; see docs/install.md for a runner that reaches other hosts`,
    );
  }
  const all = last?.reply.answers ?? [];
  const answers = withinBytes(all, source.maxBytes);
  const data = { question: question.name, tried, answers };
  const truncated = answers.length < all.length || last?.reply.isCut === true;
  return { data, truncated, bytes: last?.bytes ?? 0, margins: {} };
};

/** Asks until a server knows, each in a fair part of the time that is left. */
export async function askInTurn(
  question: Question,
  servers: readonly Server[],
  { end, reach, signal }: { end: number; reach: Reach; signal: AbortSignal },
): Promise<{ tried: DnsData["tried"]; last: Answered | null }> {
  const tried: DnsData["tried"] = [];
  let last: Answered | null = null;
  let open = servers;
  for (let rounds = ROUNDS; rounds > 0; rounds -= 1) {
    const silent: Server[] = [];
    for (const [index, server] of open.entries()) {
      const started = performance.now();
      const timeoutMs = (end - started) / (open.length * rounds - index);
      if (timeoutMs <= 0) return { tried, last };
      const asked: Asked = isWithinReach(server.address, reach)
        ? await askServer(server, question, timeoutMs, signal)
        : { outcome: "not-permitted" };
      const rcode = asked.outcome === "answered" ? { rcode: asked.reply.rcode } : {};
      const ms = msSince(started);
      tried.push({ server: showServer(server), outcome: asked.outcome, ...rcode, ms });
      if (asked.outcome === "timeout") silent.push(server);
      if (asked.outcome !== "answered") continue;
      last = asked;
      if (!NEXT_SERVER.includes(asked.reply.rcode)) return { tried, last };
    }
    open = silent;
  }
  return { tried, last };
}

/** Reads resolv.conf(5). Without a server in it the host asks itself. */
export function readServers(path: string): Server[] {
  const text = readText(path);
  const servers = text.split("\n").flatMap((line) => {
    const [, address = ""] = /^nameserver\s+(\S+)/.exec(line) ?? [];
    return isIP(address) === 0 ? [] : [{ address, port: 53 }];
  });
  return servers.length === 0
    ? [{ address: "127.0.0.1", port: 53 }]
    : servers.slice(0, MOST_SERVERS);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const failure = readFailure(error, path);
    if (failure.code === "SOURCE_NOT_FOUND") return "";
    throw failure;
  }
}

/** The name under which the names of an address are: `4.3.2.1.in-addr.arpa`. */
export function reverseName(name: string): string {
  if (isIPv4(name)) return `${name.split(".").toReversed().join(".")}.in-addr.arpa`;
  if (!isIPv6(name)) return name;
  const digits = wholeGroups(name).join("").split("").toReversed().join(".");
  return `${digits}.ip6.arpa`;
}

/** The eight groups of an address of IPv6, four digits each. */
function wholeGroups(address: string): string[] {
  // The WHATWG's form has no IPv4 in it and the digits in small letters.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (text: string): string[] => text.split(":").filter((group) => group !== "");
  const [first, last] = [groups(head), groups(tail ?? "")];
  const zeros = Array<string>(8 - first.length - last.length).fill("0");
  return [...first, ...zeros, ...last].map((group) => group.padStart(4, "0"));
}

function showServer({ address, port }: Server): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** As many answers, from the first on, as have at most so many bytes. An answer is given as a whole. */
function withinBytes(answers: DnsData["answers"], maxBytes: number): DnsData["answers"] {
  let left = maxBytes;
  const first = answers.findIndex(({ name, type, value }) => {
    left -= name.length + type.length + value.length;
    return left < 0;
  });
  return first === -1 ? answers : answers.slice(0, first);
}
