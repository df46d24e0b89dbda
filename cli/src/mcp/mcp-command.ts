import { readFileSync } from "node:fs";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";
import { type Command } from "commander";
import { type DataLayout, layoutOf, resolveDataFolder } from "../data-layout.ts";
import { readHubEndpoints } from "../endpoints.ts";
import { IPV4_LOOPBACK } from "../find-listeners.ts";
import { readOwn } from "../read-back.ts";
import { requireListener } from "../require-listener.ts";
import { findServiceUid } from "../start/system-users.ts";
import type { BridgeOptions } from "./bridge.ts";

type Options = { data?: string; url?: string; keyFile?: string; ca?: string };

/** `sonde mcp`: a hub for clients that start a program and speak MCP with it. */
export function addMcpCommand(program: Command): void {
  program
    .command("mcp")
    .description("speak MCP on standard input and output, for clients that start a program")
    .option("--data <folder>", "the data folder that `npm start` used")
    .option("--url <url>", "the MCP address of another hub, https://HOST:PORT/mcp")
    .option("--key-file <file>", "a file with a client key; by default that of `npm start`")
    .option("--ca <file>", "certificates in PEM that the hub's certificate may come from")
    .action(async (options: Options) => {
      if (options.ca !== undefined) trustAlso(options.ca);
      const place = options.url === undefined ? ofDataFolder(options) : ofUrl(options);
      const { bridgeStdio } = await import("./bridge.ts");
      const report = (sentence: string) => void process.stderr.write(`sonde mcp: ${sentence}\n`);
      await bridgeStdio({ ...place, report });
    });
}

type Place = Pick<BridgeOptions, "url" | "readKey">;

/** The hub of this machine. Its key is sent to the hub's own user only. */
function ofDataFolder({ data, keyFile }: Options): Place {
  const layout = layoutOf(resolveDataFolder(data, process.env));
  return placeOf(new URL(readHubEndpoints(layout).mcpUrl), keyFile ?? layout.clientKey, layout);
}

function ofUrl({ url: text = "", keyFile }: Options): Place {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isSafe = url?.protocol === "https:" || url?.hostname === IPV4_LOOPBACK;
  if (url === null || !/^https?:$/.test(url.protocol) || !isSafe) {
    throw new SondeError(
      "BAD_REQUEST",
      `expected --url https://HOST:PORT/mcp, because the key is sent there; got ${JSON.stringify(text.slice(0, 200))}`,
    );
  }
  if (keyFile === undefined) {
    throw new SondeError("BAD_REQUEST", "expected --key-file with a client key of that hub");
  }
  return placeOf(url, keyFile);
}

/** Without TLS, only the user who owns the listening socket says whose the hub is. */
function placeOf(url: URL, keyFile: string, layout?: DataLayout): Place {
  readKey(keyFile, layout);
  return {
    url,
    readKey: () => {
      if (url.protocol === "http:") requireListener(url.href, findServiceUid("hub"));
      return readKey(keyFile, layout);
    },
  };
}

/** Read before each request, because `npm start` makes a new key when the old one was revoked. */
function readKey(path: string, layout?: DataLayout): string {
  const key = readOwn(path)?.trim();
  if (key !== undefined && /^[\x21-\x7e]+$/.test(key)) return key;
  const make = `sonde keys add NAME --key-file FILE${layout === undefined ? "" : ` --data ${layout.root}`}`;
  throw new SondeError(
    "BAD_REQUEST",
    `expected a client key in ${path}, got ${key === undefined ? "no file" : "something else"}; ${make} makes one`,
  );
}

/** Adds to the certificates that this process trusts, before anything connects. */
function trustAlso(path: string): void {
  setDefaultCACertificates([...getCACertificates("default"), readFileSync(path, "utf8")]);
}
