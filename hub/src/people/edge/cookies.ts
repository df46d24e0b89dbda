import { TLSSocket } from "node:tls";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Hub } from "../../hub.ts";

/** What a browser keeps for the hub. */
export type CookieName = "session" | "device" | "passkey" | "sso";

/** Reads and sets the hub's cookies, for the hub's host alone and out of reach of scripts. */
export type Cookies = {
  schemeOf(request: FastifyRequest): "http" | "https";
  /** @returns undefined without it, and when the browser sends two of that name */
  read(request: FastifyRequest, name: CookieName): string | undefined;
  /** @param maxAgeMs 0 removes it */
  set(
    request: FastifyRequest,
    reply: FastifyReply,
    cookie: { name: CookieName; value: string; maxAgeMs: number },
  ): void;
};

export function createCookies(config: Pick<Hub["config"], "http">): Cookies {
  const schemeOf = ({ raw }: FastifyRequest) =>
    raw.socket instanceof TLSSocket || config.http.behindProxy ? "https" : "http";
  /**
   * `__Host-`: a browser takes such a cookie over TLS only, and from this host only (attack 38: a
   * sibling domain cannot plant one). Plain HTTP is on loopback alone.
   */
  const fullName = (request: FastifyRequest, name: CookieName) => {
    const own = name === "session" ? "sonde" : `sonde-${name}`;
    return schemeOf(request) === "https" ? `__Host-${own}` : own;
  };
  return {
    schemeOf,
    read(request, name) {
      const wanted = fullName(request, name);
      const found = (request.headers.cookie ?? "").split(";").flatMap((pair) => {
        const [key = "", ...value] = pair.trim().split("=");
        return key === wanted ? [value.join("=")] : [];
      });
      return found.length === 1 ? found[0] : undefined;
    },
    set(request, reply, { name, value, maxAgeMs }) {
      const secure = schemeOf(request) === "https" ? "; Secure" : "";
      const age = Math.floor(maxAgeMs / 1000);
      reply.header(
        "set-cookie",
        `${fullName(request, name)}=${value}; Path=/; Max-Age=${age}; HttpOnly; SameSite=Lax${secure}`,
      );
    },
  };
}
