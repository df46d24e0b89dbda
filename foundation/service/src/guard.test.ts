import { SondeError } from "@sonde/schemas/errors";
import type { FastifyContextConfig } from "fastify";
import { Type } from "typebox";
import { afterEach, expect, test } from "vitest";
import type { Guard } from "./guard.ts";
import { createHttpServer } from "./http-server.ts";
import type { HttpServer } from "./server.ts";
import { serve } from "./testing/serve.ts";

type Right = "sample.read" | "sample.write";
declare module "fastify" {
  interface RouteRights extends Record<Right, true> {}
}

/** Calls of the guard's functions, in order. */
let asked: string[] = [];
let app: HttpServer;
afterEach(() => app.close());

/** The header `name` names the caller. Ann may do everything, Bob may read. */
const guard: Guard<{ name: string }, Right> = {
  as: "who",
  rights: ["sample.read", "sample.write"],
  screen({ headers }) {
    asked.push("screen");
    if (headers["x-foreign"] !== undefined) throw new SondeError("ORIGIN_REFUSED", "foreign");
  },
  async authenticate({ headers }) {
    asked.push("authenticate");
    const name = headers["name"];
    if (typeof name !== "string") throw new SondeError("UNAUTHENTICATED", "nobody");
    return { name };
  },
  authorize({ name }, right) {
    asked.push(`authorize ${name} ${right}`);
    if (name === "Ann" || right === "sample.read") return;
    throw new SondeError("FORBIDDEN", `${name} may not do ${right}`);
  },
  async onAdmitted({ name }, right) {
    asked.push(`admitted ${name} ${right}`);
  },
  async onDenied({ name }, { url }, { message: reason }) {
    asked.push(`denied ${name} ${url}: ${reason}`);
    if (name === "Eve") throw new SondeError("AUDIT_UNAVAILABLE", "cannot record");
  },
};

async function start(): Promise<(path: string, init?: RequestInit) => Promise<string>> {
  asked = [];
  app = createHttpServer({ report: () => undefined, guard });
  app.get("/public", { config: { right: "anybody" } }, () => ({ reached: true }));
  app.get("/read", { config: { right: "sample.read" } }, (request) => ({
    reached: true,
    who: request.getDecorator<{ name: string }>("who").name,
  }));
  app.get("/own/:name", { config: { right: "sample.read" } }, () => {
    throw new SondeError("FORBIDDEN", "not yours");
  });
  app.put(
    "/write",
    {
      config: { right: "sample.write" },
      schema: { body: Type.Object({ size: Type.Integer() }) },
    },
    () => ({ reached: true }),
  );
  const url = await serve(app);
  return async (path, init) => {
    const response = await fetch(`${url}${path}`, init);
    const body = (await response.json()) as { reached?: true; error?: { code: string } };
    return body.reached === true ? "reached" : (body.error?.code ?? "");
  };
}
const as = (name: string) => ({ headers: { name } });
const put = (name: string, body: string): RequestInit => ({
  method: "PUT",
  headers: { name, "content-type": "application/json" },
  body,
});

test.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])(
  "a route of %s that names no right does not start",
  (method) => {
    app = createHttpServer({ report: () => undefined, guard });
    const handler = () => "";
    expect(() => app.route({ method, url: "/x", handler })).toThrow("names no right");
    const config = { right: "sample.read" } as const;
    expect(() => app.route({ method, url: "/x", handler, config })).not.toThrow();
  },
);

test("a route that names a right of another service does not start, nor any right without a guard", () => {
  app = createHttpServer({ report: () => undefined, guard: { ...guard, rights: ["sample.read"] } });
  const add = (config: FastifyContextConfig): HttpServer => app.get("/x", { config }, () => "");
  expect(() => add({ right: "sample.write" })).toThrow("names no right that this service knows");
  app = createHttpServer({ report: () => undefined });
  expect(() => add({ right: "sample.read" })).toThrow("names no right that this service knows");
  expect(() => add({ right: "anybody" })).not.toThrow();
});

test("the guard's functions run in order, and none runs after a refusal", async () => {
  const ask = await start();
  expect(await ask("/read", { headers: { name: "Ann", "x-foreign": "1" } })).toBe("ORIGIN_REFUSED");
  expect(asked.splice(0)).toEqual(["screen"]);
  expect(await ask("/read")).toBe("UNAUTHENTICATED");
  expect(asked.splice(0)).toEqual(["screen", "authenticate"]);
  expect(await ask("/read", as("Bob"))).toBe("reached");
  expect(asked.splice(0)).toEqual([
    "screen",
    "authenticate",
    "authorize Bob sample.read",
    "authenticate",
    "authorize Bob sample.read",
    "admitted Bob sample.read",
  ]);
});

test("a denial is recorded before it is answered, with what it was for", async () => {
  const ask = await start();
  expect(await ask("/write", put("Bob", "no JSON, which nobody reads"))).toBe("FORBIDDEN");
  expect(asked.splice(0).slice(2)).toEqual([
    "authorize Bob sample.write",
    "denied Bob /write: Bob may not do sample.write",
  ]);
  // A handler's own FORBIDDEN is reported to onDenied too.
  expect(await ask("/own/x", as("Bob"))).toBe("FORBIDDEN");
  expect(asked.splice(0).at(-1)).toBe("denied Bob /own/x: not yours");
});

test("when a denial cannot be recorded, that error is the answer", async () => {
  const ask = await start();
  expect(await ask("/own/x", as("Eve"))).toBe("AUDIT_UNAVAILABLE");
});

test("a request that its route's schema refuses does not count as admitted", async () => {
  const ask = await start();
  expect(await ask("/write", put("Ann", '{"size":"1"}'))).toBe("BAD_REQUEST");
  expect(asked.splice(0)).not.toContain("admitted Ann sample.write");
  expect(await ask("/write", put("Ann", '{"size":1}'))).toBe("reached");
  expect(asked.splice(0)).toContain("admitted Ann sample.write");
});

test("public routes and unknown paths need no principal, but are screened first", async () => {
  const ask = await start();
  expect(await ask("/public")).toBe("reached");
  expect(await ask("/nowhere")).toBe("NOT_FOUND");
  expect(asked).toEqual(["screen", "screen"]);
  const foreign = { headers: { "x-foreign": "1" } };
  expect(await ask("/public", foreign)).toBe("ORIGIN_REFUSED");
  expect(await ask("/nowhere", foreign)).toBe("ORIGIN_REFUSED");
});
