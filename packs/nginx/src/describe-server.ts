import { findAll, firstOf, placeOf } from "./gather-config.ts";
import { maskUrl } from "./mask-url.ts";
import type { Directive } from "./parse-config.ts";

export type Server = {
  names: string[];
  listens: string[];
  root: string | null;
  certificate: string | null;
  certificateKey: string | null;
  protocols: string[];
  locations: { path: string; does: string }[];
  place: string;
};

const MOST_LOCATIONS = 50;

/** In place of a path that leads to a private key. */
const MASKED = "(masked)";

/** What passes a request on, each with a URL or an address. */
const PASSES = ["proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"];

export function describeServer(server: Directive): Server {
  const block = server.block ?? [];
  const locations = findAll(block, ["location"]);
  return {
    names: valuesOf(block, "server_name"),
    listens: block.filter(({ name }) => name === "listen").map(({ args }) => args.join(" ")),
    root: firstOf(block, "root"),
    certificate: firstOf(block, "ssl_certificate"),
    certificateKey: firstOf(block, "ssl_certificate_key") === null ? null : MASKED,
    protocols: valuesOf(block, "ssl_protocols"),
    locations: locations.slice(0, MOST_LOCATIONS).map((location) => ({
      path: location.args.join(" "),
      does: explainBlock(location.block ?? []),
    })),
    place: placeOf(server),
  };
}

/** Where a server shows what nginx counts. */
export function listStatusPages(server: Directive): { listens: string[]; path: string }[] {
  const { listens } = describeServer(server);
  return findAll(server.block ?? [], ["location"])
    .filter(({ block }) => block?.some(({ name }) => name === "stub_status"))
    .map(({ args }) => ({ listens, path: args.at(-1) ?? "" }));
}

function valuesOf(block: readonly Directive[], name: string): string[] {
  return block.filter((directive) => directive.name === name).flatMap(({ args }) => args);
}

/** What a location does with a request, in words. */
function explainBlock(block: readonly Directive[]): string {
  for (const { name, args } of block) {
    const [first = ""] = args;
    if (name === "stub_status") return "shows what nginx counts";
    if (PASSES.includes(name)) return `passes to ${maskUrl(first)}`;
    if (name === "return") return `answers ${args.slice(0, 2).map(maskUrl).join(" ")}`;
    if (name === "deny" && first === "all" && !block.some((it) => it.name === "allow")) {
      return "refuses everybody";
    }
  }
  const alias = firstOf(block, "alias") ?? firstOf(block, "root");
  return alias === null ? "serves files" : `serves files of ${alias}`;
}
