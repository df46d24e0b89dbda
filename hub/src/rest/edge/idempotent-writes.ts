import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { HttpServer, Report } from "@sonde/service";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Principal } from "../../identity/index.ts";
import { openAnswer, sealAnswer } from "./sealed-answer.ts";
import type { StoredWrite, WriteName, WriteStore } from "./write-store.ts";

export const IDEMPOTENCY_HEADER = "idempotency-key";
/** Printable ASCII without blanks. */
export const IDEMPOTENCY_KEY_PATTERN = "^[!-~]{8,100}$";
const KEY = new RegExp(IDEMPOTENCY_KEY_PATTERN);
const MAX_KEPT_BYTES = 256 * 1024;
/** RFC 9110, 9.2.2: done again they do no more. */
const REPEATABLE = new Set(["PUT", "DELETE"]);

type Ports = {
  store: WriteStore;
  /** The hubs that run now. */
  running: () => string[];
  now: () => Date;
  report: Report;
};

type Claim = { name: WriteName; requestSha256: string; credential: string };

/** A write below `/api/v1` that a principal makes. */
export function isWrite(method: string): boolean {
  return !["GET", "HEAD", "OPTIONS"].includes(method);
}

/**
 * Lets a client send a write again when it does not know whether the first one arrived: with the
 * same `Idempotency-Key` the same request gets the same answer for a day, and is done once. The
 * guard has decided on each request before.
 */
export function installIdempotency(app: HttpServer, ports: Ports): void {
  const claims = new WeakMap<FastifyRequest, Claim>();

  app.addHook("preHandler", async (request, reply) => {
    const key = request.headers[IDEMPOTENCY_HEADER];
    const isOurs = request.routeOptions.url?.startsWith("/api/v1/") === true;
    if (key === undefined || !isOurs || !isWrite(request.method)) return;
    const claim = readClaim(request, String(key));
    const { store, now } = ports;
    const known = await store.claim(claim.name, claim.requestSha256, now());
    if (known === "full") {
      throw new SondeError("TOO_MANY_ATTEMPTS", "expected at most 1000 writes with a key in a day");
    }
    if (known !== null && !(await mayRepeat(ports, request, claim, known))) {
      return replay(reply, claim, known);
    }
    claims.set(request, claim);
    return undefined;
  });

  app.addHook("onSend", async (request, reply, payload) => {
    const claim = claims.get(request);
    if (claim === undefined) return payload;
    claims.delete(request);
    try {
      await keep(ports.store, request, reply, claim, payload);
    } catch (thrown) {
      // It was done: the client gets its answer, and a repetition is told that the answer is lost.
      ports.report(thrown as Error, request.id);
    }
    return payload;
  });
}

function readClaim(request: FastifyRequest, key: string): Claim {
  if (!KEY.test(key)) {
    throw new SondeError(
      "BAD_REQUEST",
      "Idempotency-Key: expected 8 to 100 printable characters without blanks",
    );
  }
  const { headers, method, url, body } = request;
  const principal = request.getDecorator<Principal | null>("principal");
  if (principal === null) throw new SondeError("UNAUTHENTICATED", "expected a caller with a key");
  const said = JSON.stringify([method, url, body === undefined ? null : canonicalJson(body)]);
  return {
    name: { principal: principal.subject.id, keySha256: sha256(key) },
    requestSha256: sha256(said),
    credential: headers.authorization ?? headers.cookie ?? "",
  };
}

/**
 * Whether this request may be done although its key is known: it was cut off, and doing it twice
 * does no more than once.
 *
 * @throws SondeError for another request, one that still runs, and one whose outcome nobody knows
 */
async function mayRepeat(
  { store, running, now }: Ports,
  { method }: FastifyRequest,
  { name, requestSha256 }: Claim,
  known: StoredWrite,
): Promise<boolean> {
  if (known.requestSha256 !== requestSha256) {
    throw new SondeError(
      "IDEMPOTENCY_CONFLICT",
      "expected the request that had this Idempotency-Key first, got another one",
    );
  }
  if (known.status !== null) return false;
  if (known.hub !== null && running().includes(known.hub)) throw stillRuns();
  if (!REPEATABLE.has(method)) {
    throw new SondeError(
      "ANSWER_LOST",
      "the hub ended while it did this request, so it may have been done",
    );
  }
  if (!(await store.takeOver(name, known, now()))) throw stillRuns();
  return true;
}

function stillRuns(): SondeError {
  return new SondeError("REQUEST_RUNNING", "the request that had this Idempotency-Key first runs");
}

function replay(reply: FastifyReply, claim: Claim, { status, answer }: StoredWrite): FastifyReply {
  const opened = answer === null ? null : openAnswer(answer, claim.credential, boundOf(claim));
  if (status === null || opened === null) {
    const sentence =
      "the request was done before, and its answer is only for the credential that sent it";
    throw new SondeError("ANSWER_LOST", sentence);
  }
  return reply
    .code(status)
    .type(opened.type)
    .headers({ "idempotency-replayed": "true", "cache-control": "no-store" })
    .send(opened.text);
}

async function keep(
  store: WriteStore,
  { method }: FastifyRequest,
  reply: FastifyReply,
  claim: Claim,
  payload: unknown,
): Promise<void> {
  const status = reply.statusCode;
  if (status >= 500 && REPEATABLE.has(method)) return await store.release(claim.name);
  const text = typeof payload === "string" ? payload : "";
  const type = String(reply.getHeader("content-type"));
  const isShort = Buffer.byteLength(text) <= MAX_KEPT_BYTES;
  await store.finish(
    claim.name,
    status,
    isShort ? sealAnswer({ type, text }, claim.credential, boundOf(claim)) : null,
  );
}

function boundOf({ name, requestSha256 }: Claim): string {
  return JSON.stringify([name.principal, name.keySha256, requestSha256]);
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
