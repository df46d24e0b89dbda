import { type Socket, connect } from "node:net";
import { SondeError } from "@sonde/schemas/errors";
import type { RedisSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";
import { renderEndpoint, renderRedisCommand } from "@sonde/sources";
import { cutMessage } from "./cut-text.ts";
import { withSocket } from "./open-path.ts";
import type { Look, Power, PowerContext } from "./power.ts";
import { connectEndpoint } from "./reach-endpoint.ts";
import { errnoOf } from "./read-failure.ts";
import { RedisRefusal, ReplyReader } from "./redis-reply.ts";
import { withoutArguments } from "./redis-slowlog.ts";
import { createTurns } from "./turns.ts";

/** Commands whose rights are given for each of their parts: `+slowlog|get`. */
const CONTAINERS = ["SLOWLOG", "CLIENT", "MEMORY", "LATENCY", "CONFIG"];

/** Connections of this process at once: a server may have few, and its users need them. */
const MOST_CONNECTIONS = 4;
const withTurn = createTurns(MOST_CONNECTIONS);

const SLOW_LOG = "SLOWLOG GET";

/** A server that is full says so and closes; whoever writes meanwhile may not hear it. */
const CLOSED =
  "the server closed the connection without an answer; it may have all the clients that it takes (maxclients)";

/**
 * Asks a Redis server of this host one command of the closed list, over a connection of its own. Says
 * nothing else to it: no password, no name, no version of the protocol.
 */
export const readRedis: Power<"redis"> = async (source, values, context) => {
  const words = renderRedisCommand(source, values);
  const { signal, denyPaths } = context;
  const where = source.socket ?? `redis://${renderEndpoint(source, values).text}`;
  try {
    const look = await withTurn(signal, () =>
      source.socket === undefined
        ? askPort(source, values, words, context)
        : withSocket(source.socket, denyPaths, (path) =>
            ask(connect({ path }), words, source, signal),
          ),
    );
    if (source.command !== SLOW_LOG) return look;
    return { ...look, data: { reply: withoutArguments(look.data.reply) } };
  } catch (error) {
    throw explain(error, words, where, signal);
  }
};

async function askPort(
  source: RedisSource,
  values: FilledRead["values"],
  words: string[],
  context: PowerContext,
): Promise<Look<"redis">> {
  const endpoint = renderEndpoint(source, values);
  const way = { where: `redis://${endpoint.text}`, isSecured: false };
  const socket = await connectEndpoint(endpoint, way, context);
  return await ask(socket, words, source, context.signal);
}

/** Sends one command and closes the connection once the answer is there, or at the deadline. */
function ask(
  socket: Socket,
  words: string[],
  { maxBytes, command }: RedisSource,
  signal: AbortSignal,
): Promise<Look<"redis">> {
  // Values of others may be any bytes, and are only counted.
  const reader = new ReplyReader(maxBytes, command === SLOW_LOG ? "latin1" : "utf8");
  return new Promise<Look<"redis">>((resolve, reject) => {
    const onEnd = (): void => void socket.destroy();
    signal.addEventListener("abort", onEnd, { once: true });
    if (signal.aborted) onEnd();
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      try {
        const look = reader.take(chunk);
        if (look === null) return;
        resolve(look);
      } catch (error) {
        reject(error);
      }
      socket.destroy();
    });
    socket.on("close", () => {
      signal.removeEventListener("abort", onEnd);
      reject(new SondeError("READ_FAILED", CLOSED));
    });
    socket.write(encode(words));
  });
}

/** As RESP has a command: a list of texts, each with its length. */
function encode(words: string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join("")}`;
}

/** What the first words of Redis's errors mean for who asked. */
function explain(error: unknown, words: string[], where: string, signal: AbortSignal): SondeError {
  if (signal.aborted) return new SondeError("READ_TIMEOUT", `${where} took too long to answer`);
  if (error instanceof SondeError) return withPlace(error, where);
  if (error instanceof RedisRefusal) return explainRefusal(error.message, words, where);
  const errno = errnoOf(error);
  const isClosed = errno === "EPIPE" || errno === "ECONNRESET";
  const why = errno === "ECONNREFUSED" ? "nobody listens" : (errno ?? "no valid answer");
  return new SondeError("READ_FAILED", `${where}: ${isClosed ? CLOSED : why}`, { cause: error });
}

function withPlace(error: SondeError, where: string): SondeError {
  if (error.message.includes(where)) return error;
  return new SondeError(error.code, `${where}: ${error.message}`, { cause: error });
}

function explainRefusal(message: string, words: string[], where: string): SondeError {
  const said = cutMessage(message.replace(/[^\x20-\x7e]/g, "?"), 300);
  const right = rightFor(words);
  if (/^NOAUTH\b/.test(said)) {
    return new SondeError(
      "PERMISSION_NEEDED",
      `${where}: the server wants a password, and the runner has none. Where applications log in by users of their own, let the user that needs no password do no more than look (README of sonde/redis): ACL SETUSER default reset on nopass ${right}`,
    );
  }
  if (/^NOPERM\b/.test(said)) {
    return new SondeError(
      "PERMISSION_NEEDED",
      `${where}: ${said}; run in redis-cli as an administrator: ACL SETUSER default ${right}`,
    );
  }
  if (/^DENIED\b/.test(said)) return new SondeError("PERMISSION_NEEDED", `${where}: ${said}`);
  if (/^ERR unknown (sub)?command\b/i.test(said)) {
    return new SondeError(
      "SOURCE_NOT_FOUND",
      `${where}: this server has no ${words.slice(0, 2).join(" ")}, or it was renamed`,
    );
  }
  return new SondeError("READ_FAILED", `${where}: ${said}`);
}

/** The right that an ACL of the server needs for a command: `+info`, `+slowlog|get`. */
function rightFor([command = "", part = ""]: string[]): string {
  return `+${CONTAINERS.includes(command) ? `${command}|${part}` : command}`.toLowerCase();
}
