import type { CreatedPublishToken, PublishTokenList, PublisherList } from "@sonde/schemas/registry";
import { createHttpServer } from "@sonde/service";
import { type SampleKey, buildSampleArchive, createSampleKey } from "@sonde/trust/testing";
import type { OpenApi } from "@sonde/service/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildGuard } from "./edge/http/guard.ts";
import type { Right } from "./core/authorize.ts";
import { type Answer, TestRegistry, codeOf, signUpload } from "./testing/test-registry.ts";

const TOKENS = "/api/v1/publishers/acme/tokens";
const SOME_ID = "00000000-0000-4000-8000-000000000000";
let registry: TestRegistry;
let acme: SampleKey;
let owner: string;

beforeAll(async () => {
  // No test asks this issuer. It only makes the routes of trusted publishing exist.
  const issuers = [{ kind: "github", issuer: "http://127.0.0.1:1" }];
  const trustedPublishing = { audience: "https://registry.example", issuers };
  registry = await TestRegistry.start({ trustedPublishing });
  acme = createSampleKey();
  owner = await registry.addPublisher("acme", acme);
  await registry.addPublisher("other", createSampleKey());
}, 120_000);
afterAll(() => registry.close());

const make = (wish: object, bearer = owner): Promise<Answer> =>
  registry.send("POST", TOKENS, bearer, { role: "ci", label: "a test", ...wish });
const made = async (wish: object, bearer?: string): Promise<CreatedPublishToken> => {
  const { status, body } = await make(wish, bearer);
  expect(status).toBe(201);
  return body as CreatedPublishToken;
};
let minor = 0;
const publish = (bearer: string, name = "acme/hello"): Promise<Answer> => {
  const version = `1.${(minor += 1)}.0`;
  const archive = buildSampleArchive({ manifest: { name, version } });
  return registry.publish(signUpload(archive, `${name}/${version}`, acme, bearer));
};
const list = async (): Promise<PublishTokenList["tokens"]> =>
  ((await registry.send("GET", TOKENS, owner)).body as PublishTokenList).tokens;

test("an owner makes a token for one pack, which publishes that pack only", async () => {
  const { token, about } = await made({ pack: "acme/hello", days: 1 });
  expect(about).toMatchObject({ role: "ci", pack: "acme/hello", actions: ["publish"] });
  expect(Date.parse(about.expiresAt) - Date.parse(about.createdAt)).toBe(24 * 60 * 60 * 1000);
  expect((await publish(token)).status).toBe(201);
  const other = await publish(token, "acme/other");
  expect([other.status, codeOf(other)]).toEqual([403, "FORBIDDEN"]);
  const tokens = await registry.send("GET", TOKENS, token);
  expect([tokens.status, codeOf(tokens)]).toEqual([403, "FORBIDDEN"]);
});

test("list and database have no token's secret", async () => {
  const { token, about } = await made({ role: "maintainer", label: "for release" });
  const tokens = await list();
  expect(tokens).toContainEqual(about);
  expect(tokens.find(({ id }) => id === about.createdBy)).toMatchObject({ role: "owner" });
  const secret = token.slice("sonde_pt_".length);
  expect(JSON.stringify(tokens)).not.toContain(secret);
});

test("a revoked token is refused at once, and revoking is idempotent", async () => {
  const { token, about } = await made({});
  const revoke = () => registry.send("DELETE", `${TOKENS}/${about.id}`, owner);
  const first = await revoke();
  expect(first).toMatchObject({ status: 200, body: { id: about.id } });
  expect((await revoke()).body).toEqual(first.body);
  const refused = await publish(token);
  expect([refused.status, codeOf(refused)]).toEqual([401, "UNAUTHENTICATED"]);
  // A look is refused as well, though it changes nothing.
  expect(codeOf(await registry.send("GET", TOKENS, token))).toBe("UNAUTHENTICATED");
  const foreign = `/api/v1/publishers/other/tokens/${about.id}`;
  expect(codeOf(await registry.send("DELETE", foreign, owner))).toBe("FORBIDDEN");
  expect(codeOf(await registry.operate("DELETE", foreign))).toBe("NOT_FOUND");
});

test("a revoked token ends with all that was made with it", async () => {
  const wish = { role: "owner", actions: ["publish", "tokens"], days: 5 };
  const parent = await made(wish);
  const child = await made({ ...wish, days: 4 }, parent.token);
  const grandchild = await made({ role: "ci" }, child.token);
  const unrelated = await made({ role: "ci" });
  const identity = {
    ...{ kind: "github", repository: "acme/x", repositoryId: "1" },
    ...{ workflowRef: "acme/x/.github/workflows/a.yml@refs/heads/main", environment: null },
  };
  const trust = { issuer: "http://127.0.0.1:1", identity };
  const path = "/api/v1/publishers/acme/trusted-publishers";
  const added = await registry.send("POST", path, child.token, trust);
  expect(added.status).toBe(201);
  await registry.send("DELETE", `${TOKENS}/${parent.about.id}`, owner);
  for (const { token } of [parent, child, grandchild]) {
    expect(codeOf(await publish(token))).toBe("UNAUTHENTICATED");
  }
  expect((await registry.send("GET", path, owner)).body).toEqual({ trustedPublishers: [] });
  expect((await publish(unrelated.token)).status).toBe(201);
  const after = (await list()).find(({ id }) => id === grandchild.about.id);
  expect(after?.revokedAt).not.toBeNull();
});

test("no token is made by one that is revoked at the same moment", async () => {
  const parent = await made({ role: "owner", actions: ["publish", "tokens"], days: 5 });
  const [, ...answers] = await Promise.all([
    registry.send("DELETE", `${TOKENS}/${parent.about.id}`, owner),
    ...Array.from({ length: 20 }, () => make({ role: "ci", days: 1 }, parent.token)),
  ]);
  for (const { status, body } of answers) {
    if (status !== 201) continue;
    expect(codeOf(await publish((body as CreatedPublishToken).token))).toBe("UNAUTHENTICATED");
  }
  const children = (await list()).filter(({ createdBy }) => createdBy === parent.about.id);
  expect(children.filter(({ revokedAt }) => revokedAt === null)).toEqual([]);
});

test("an expired token is refused", async () => {
  const { token, about } = await made({});
  expect((await publish(token)).status).toBe(201);
  await registry.inDatabase(
    async (sql) => sql`update publisher_tokens
      set expires_at = now() - interval '1 second' where id = ${about.id}`,
  );
  const refused = await publish(token);
  expect([refused.status, codeOf(refused)]).toEqual([401, "UNAUTHENTICATED"]);
  expect(codeOf(await registry.send("GET", TOKENS, token))).toBe("UNAUTHENTICATED");
});

test("no token makes one with more rights or a later end", async () => {
  const narrow = await made({ role: "owner", actions: ["publish", "tokens"], days: 2 });
  expect(codeOf(await make({ role: "owner", actions: ["yank"] }, narrow.token))).toBe("FORBIDDEN");
  expect(codeOf(await make({ days: 3 }, narrow.token))).toBe("FORBIDDEN");
  expect(codeOf(await make({ pack: "other/hello" }, narrow.token))).toBe("FORBIDDEN");
  const child = await made({}, narrow.token);
  expect(child.about.expiresAt).toBe(narrow.about.expiresAt);
  expect(child.about.createdBy).toBe(narrow.about.id);
  const bound = await made({ role: "owner", pack: "acme/hello" });
  expect(codeOf(await make({ pack: "acme/hello" }, bound.token))).toBe("FORBIDDEN");
});

test.each<[string, object]>([
  ["an unknown role", { role: "operator" }],
  ["an unknown action", { actions: ["quarantine"] }],
  ["no action", { actions: [] }],
  ["ten years", { days: 3650 }],
  ["a label of two lines", { label: "a\nb" }],
  ["an unknown member", { admin: true }],
])("a request with %s is refused", async (_what, wish) => {
  expect(codeOf(await make(wish))).toBe("BAD_REQUEST");
});

test("the operator lists publishers, makes and revokes tokens, and removes keys", async () => {
  const { publishers } = (await registry.operate("GET", "/publishers")).body as PublisherList;
  expect(publishers.map(({ name }) => name)).toEqual(["acme", "other"]);
  const answer = await registry.operate("POST", TOKENS, { role: "maintainer", label: "new" });
  const { token, about } = answer.body as CreatedPublishToken;
  expect(about).toMatchObject({ createdBy: "operator", actions: ["publish", "yank", "deprecate"] });
  expect((await publish(token)).status).toBe(201);
  await registry.operate("DELETE", `${TOKENS}/${about.id}`);
  expect((await publish(token)).status).toBe(401);
  expect(codeOf(await registry.operate("GET", "/api/v1/publishers/none/tokens"))).toBe(
    "PUBLISHER_UNKNOWN",
  );
});

test("a removed key's signatures are refused from then on", async () => {
  const second = createSampleKey();
  await registry.addPublisher("acme", second);
  const { publishers } = (await registry.operate("GET", "/publishers")).body as PublisherList;
  const keyIds = publishers.find(({ name }) => name === "acme")?.keyIds ?? [];
  expect(keyIds.length).toBe(2);
  const upload = (version: string) =>
    signUpload(
      buildSampleArchive({ manifest: { version } }),
      `acme/hello/${version}`,
      second,
      owner,
    );
  expect((await registry.publish(upload("5.0.0"))).status).toBe(201);
  for (const keyId of keyIds) await registry.operate("DELETE", `/publishers/acme/keys/${keyId}`);
  const refused = await registry.publish(upload("5.0.1"));
  expect([refused.status, codeOf(refused)]).toEqual([403, "SIGNER_UNTRUSTED"]);
  const again = await registry.operate("DELETE", `/publishers/acme/keys/${keyIds[0]}`);
  expect(codeOf(again)).toBe("NOT_FOUND");
  await registry.addPublisher("acme", acme);
});

/** Every route with its right. Null is for anybody. */
const RIGHTS: Record<string, Right | null> = {
  "GET /health": null,
  "GET /api/v1/openapi.json": null,
  "GET /api/v1/packs": null,
  "GET /api/v1/search": null,
  "GET /api/v1/packs/{publisher}/{pack}": null,
  "GET /api/v1/packs/{publisher}/{pack}/resolve": null,
  "GET /api/v1/packs/{publisher}/{pack}/{version}": null,
  "GET /api/v1/packs/{publisher}/{pack}/{version}/archive": null,
  "HEAD /api/v1/packs/{publisher}/{pack}/{version}/archive": null,
  "GET /api/v1/packs/{publisher}/{pack}/{version}/bundle": null,
  "GET /api/v1/packs/{publisher}/{pack}/{version}/details": null,
  "GET /api/v1/packs/{publisher}/{pack}/{version}/permissions": null,
  "GET /index/{publisher}/{pack}": null,
  "GET /log/checkpoint": null,
  "GET /log/key": null,
  "GET /log/tile/{*}": null,
  "POST /api/v1/trusted-publishing/token": null,
  "PUT /api/v1/packs/{publisher}/{pack}/{version}": "publish",
  "PUT /api/v1/packs/{publisher}/{pack}/{version}/yank": "yank",
  "PUT /api/v1/packs/{publisher}/{pack}/{version}/quarantine": "quarantine",
  "PUT /api/v1/packs/{publisher}/{pack}/deprecation": "deprecate",
  "PUT /api/v1/packs/{publisher}/{pack}/advisories/{id}": "advisory",
  "GET /api/v1/publishers/{publisher}/tokens": "tokens",
  "POST /api/v1/publishers/{publisher}/tokens": "tokens",
  "DELETE /api/v1/publishers/{publisher}/tokens/{id}": "tokens",
  "GET /api/v1/publishers/{publisher}/trusted-publishers": "tokens",
  "POST /api/v1/publishers/{publisher}/trusted-publishers": "tokens",
  "DELETE /api/v1/publishers/{publisher}/trusted-publishers/{id}": "tokens",
};
/** The routes of the operator's socket, besides those above or instead of them. */
const OPERATOR_RIGHTS: Record<string, Right | null> = {
  ...Object.fromEntries(
    Object.entries(RIGHTS).filter(
      ([route, right]) =>
        (right !== null && right !== "publish") || route.endsWith("/openapi.json"),
    ),
  ),
  "GET /audit": "publishers",
  "GET /publishers": "publishers",
  "POST /publishers": "publishers",
  "POST /identities": "publishers",
  "DELETE /publishers/{publisher}/identities": "publishers",
  "DELETE /publishers/{publisher}/keys/{keyId}": "publishers",
  "POST /import": "import",
};
/** Roles that have each right: the table of core/authorize.test.ts, as the server decides. */
const ROLES: Record<Right, string[]> = {
  publish: ["owner", "maintainer", "ci"],
  yank: ["owner", "maintainer"],
  deprecate: ["owner", "maintainer"],
  advisory: ["operator", "owner"],
  tokens: ["operator", "owner"],
  quarantine: ["operator"],
  publishers: ["operator"],
  import: ["operator"],
};
const rightsOf = ({ paths }: OpenApi): object =>
  Object.fromEntries(
    Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => [
        `${method.toUpperCase()} ${path}`,
        operation["x-sonde-right"],
      ]),
    ),
  );
const shown = (rights: Record<string, Right | null>): object =>
  Object.fromEntries(
    Object.entries(rights).map(([route, action]) => [
      route,
      action === null
        ? "anybody"
        : {
            action,
            roles: expect.toSatisfy(
              (roles: string[]) => roles.toSorted().join() === ROLES[action].toSorted().join(),
            ),
          },
    ]),
  );
const placeOf = (route: string, publisher: string): [method: string, path: string] => {
  const values: Record<string, string> = {
    publisher,
    pack: "hello",
    version: "1.0.0",
    "*": "0/000",
    keyId: `sha256:${"0".repeat(64)}`,
    id: route.includes("advisories") ? "ACME-1" : SOME_ID,
  };
  const [method = "", path = ""] = route.split(" ");
  return [method, path.replaceAll(/\{([^}]+)\}/g, (_braces, name: string) => values[name] ?? "")];
};
/** Returns the code when the right was refused, else null. */
const refusalOf = ({ status, body }: Answer): string | null => {
  const code = status < 400 || body === null ? null : codeOf({ status, body });
  return code === "UNAUTHENTICATED" || code === "FORBIDDEN" ? code : null;
};

test("the OpenAPI documents name every route with its right, and no other", async () => {
  const { http, operator } = await registry.readDocuments();
  expect(rightsOf(http)).toEqual(shown(RIGHTS));
  expect(rightsOf(operator)).toEqual(shown(OPERATOR_RIGHTS));
});

test.each(Object.entries(RIGHTS))(
  "over HTTP %s is for those with the right %s",
  async (route, right) => {
    const [method, path] = placeOf(route, "acme");
    const [, foreign] = placeOf(route, "other");
    const ask = async (where: string, bearer: string | null) =>
      refusalOf(await registry.send(method, where, bearer));
    const isPublic = right === null;
    expect(await ask(path, null)).toBe(isPublic ? null : "UNAUTHENTICATED");
    for (const role of ["owner", "maintainer", "ci"]) {
      const { token } = await made({ role });
      const isAllowed = isPublic || ROLES[right].includes(role);
      expect([role, await ask(path, token)]).toEqual([role, isAllowed ? null : "FORBIDDEN"]);
      expect([role, await ask(foreign, token)]).toEqual([role, isPublic ? null : "FORBIDDEN"]);
    }
  },
);

test.each(Object.entries(OPERATOR_RIGHTS))(
  "on the socket %s is for the operator with the right %s",
  async (route, right) => {
    const [method, path] = placeOf(route, "acme");
    const isAllowed = right === null || ROLES[right].includes("operator");
    expect(refusalOf(await registry.operate(method, path))).toBe(isAllowed ? null : "FORBIDDEN");
  },
);

test.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])(
  "a route of %s that names no right does not start",
  (method) => {
    const guard = buildGuard(
      () => Promise.resolve({ role: "operator" }),
      false,
      { append: () => Promise.resolve() },
      () => new Date(),
    );
    const app = createHttpServer({ report: () => undefined, guard });
    const handler = () => "";
    expect(() => app.route({ method, url: "/x", handler })).toThrow("names no right");
    expect(() =>
      app.route({ method, url: "/x", handler, config: { right: "anybody" } }),
    ).not.toThrow();
  },
);
