import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";

/** The 304 in the OpenAPI document. */
export const NOT_MODIFIED = Type.Null({ description: "Not modified" });

/**
 * Lets routes with `config: { conditional: true }` answer 304. Their answers get a strong ETag over
 * the body's bytes, and caches must revalidate.
 */
export function installConditionalAnswers(app: Pick<FastifyInstance, "addHook">): void {
  app.addHook("onSend", async (request, reply, payload) => {
    if (request.routeOptions.config?.conditional !== true || reply.statusCode !== 200)
      return payload;
    if (typeof payload !== "string") return payload;
    const tag = `"${createHash("sha256").update(payload).digest("base64url")}"`;
    reply.header("etag", tag).header("cache-control", "no-cache");
    if (!matchesTag(request.headers["if-none-match"], tag)) return payload;
    reply.code(304).removeHeader("content-length").removeHeader("content-type");
    return null;
  });
}

/** Tells whether an If-None-Match header names this tag (RFC 9110, 13.1.2: weak comparison). */
export function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => {
    const named = part.trim();
    return named === "*" || named === tag || named === `W/${tag}`;
  });
}

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answers carry an ETag. A matching If-None-Match gets 304. */
    conditional?: boolean;
  }
}
