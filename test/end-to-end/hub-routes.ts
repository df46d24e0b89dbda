import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { OpenApi } from "../../foundation/service/src/testing/index.ts";
import { workspace } from "../product/start-product.ts";

/** Status by caller. `operator` is the status of a harmless, well-formed request. */
export type RouteRights = {
  route: string;
  path: string;
  body?: unknown;
  none: number;
  client: number;
  auditor: number;
  operator: number;
};

const NOBODY = "00000000-0000-4000-8000-000000000000";
const everyone = { none: 401, client: 200, auditor: 200, operator: 200 };
const reader = { none: 401, client: 403, auditor: 200 };
const personOnly = { none: 401, client: 403, auditor: 403, operator: 403 };
const pageOnly = { none: 403, client: 403, auditor: 403, operator: 403 };
const LINK = "A".repeat(43);
const ANSWER = {
  answer: {
    ...{ id: "AAAA", rawId: "AAAA", type: "public-key", clientExtensionResults: {} },
    response: { clientDataJSON: "AAAA" },
  },
};
const operatorOnly = { none: 401, client: 403, auditor: 403 };

/** Every route of the hub's REST API, as schemas/src/hub-api.ts lists them. */
export function listRouteRights(agent: string): RouteRights[] {
  const pack = `/agents/${agent}/packs/acme/none`;
  const packRoute = "/agents/:agent/packs/:publisher/:pack";
  const newKey = { name: "x", policy: { role: "auditor", agents: "*", probes: "*" } };
  return [
    { route: "GET /agents", path: "/agents", ...everyone },
    { route: "GET /agents/:agent", path: `/agents/${agent}`, ...everyone },
    {
      route: `PUT ${packRoute}`,
      path: pack,
      body: { version: "9.9.9" },
      ...operatorOnly,
      operator: 404,
    },
    {
      route: "DELETE /agents/:agent",
      path: "/agents/nobody",
      ...operatorOnly,
      operator: 404,
    },
    {
      route: "POST /agents/:agent/tags",
      path: `/agents/${agent}/tags`,
      body: { set: [], remove: [] },
      ...operatorOnly,
      operator: 200,
    },
    {
      route: "GET /agents/:agent/attestation",
      path: `/agents/${agent}/attestation`,
      ...reader,
      operator: 200,
    },
    {
      route: "POST /agents/:agent/quarantine",
      path: `/agents/${agent}/quarantine`,
      body: { reason: "A test of rights." },
      ...operatorOnly,
      operator: 200,
    },
    {
      route: "POST /agents/:agent/release",
      path: `/agents/${agent}/release`,
      ...operatorOnly,
      operator: 200,
    },
    {
      route: "POST /agents/:agent/accept-drift",
      path: `/agents/${agent}/accept-drift`,
      body: { statementSha256: `sha256:${"0".repeat(64)}` },
      ...operatorOnly,
      operator: 400,
    },
    { route: "GET /drift-policy", path: "/drift-policy", ...reader, operator: 200 },
    {
      route: "PUT /drift-policy/:on",
      path: "/drift-policy/role=nobody",
      body: { action: "flag" },
      ...operatorOnly,
      operator: 200,
    },
    {
      route: "DELETE /drift-policy/:on",
      path: "/drift-policy/role=none",
      ...operatorOnly,
      operator: 404,
    },
    { route: `DELETE ${packRoute}`, path: pack, ...operatorOnly, operator: 200 },
    {
      route: `GET ${packRoute}/approval`,
      path: `${pack}/approval`,
      ...reader,
      auditor: 404,
      operator: 404,
    },
    {
      route: `POST ${packRoute}/approve`,
      path: `${pack}/approve`,
      body: { shownSha256: `sha256:${"0".repeat(64)}` },
      ...operatorOnly,
      operator: 404,
    },
    {
      route: `POST ${packRoute}/revoke-approval`,
      path: `${pack}/revoke-approval`,
      ...operatorOnly,
      operator: 400,
    },
    { route: "GET /inbox", path: "/inbox", ...reader, operator: 200 },
    {
      route: "POST /enrolment-tokens",
      path: "/enrolment-tokens",
      body: {},
      ...operatorOnly,
      operator: 201,
    },
    { route: "GET /tools", path: "/tools", ...everyone },
    {
      route: "POST /tools/:tool/call",
      path: "/tools/none/call",
      body: { agent },
      ...everyone,
    },
    {
      route: "POST /roll-outs",
      path: "/roll-outs",
      body: { pack: "acme/none", version: "9.9.9", on: ["nobody"] },
      ...operatorOnly,
      operator: 404,
    },
    { route: "GET /registry/packs", path: "/registry/packs?q=system", ...reader, operator: 200 },
    {
      route: "GET /registry/packs/:publisher/:pack",
      path: "/registry/packs/acme/none",
      ...reader,
      auditor: 404,
      operator: 404,
    },
    {
      route: "GET /registry/packs/:publisher/:pack/:version",
      path: "/registry/packs/acme/none/1.0.0",
      ...reader,
      auditor: 404,
      operator: 404,
    },
    { route: "GET /calls", path: "/calls?limit=1", ...reader, operator: 200 },
    { route: "GET /health", path: "/health", ...reader, operator: 200 },
    { route: "GET /registry", path: "/registry", ...reader, operator: 200 },
    {
      route: "GET /packs/:digest",
      path: `/packs/sha256:${"0".repeat(64)}`,
      ...reader,
      auditor: 404,
      operator: 404,
    },
    { route: "GET /tool-pins", path: "/tool-pins", ...reader, operator: 200 },
    {
      route: "POST /tool-pins",
      path: "/tool-pins",
      body: { packDigest: `sha256:${"0".repeat(64)}` },
      ...operatorOnly,
      operator: 404,
    },
    { route: "GET /api-keys", path: "/api-keys", ...reader, operator: 200 },
    { route: "POST /api-keys", path: "/api-keys", body: newKey, ...operatorOnly, operator: 201 },
    { route: "DELETE /api-keys/:id", path: `/api-keys/${NOBODY}`, ...operatorOnly, operator: 404 },
    {
      route: "POST /api-keys/:id/rotate",
      path: `/api-keys/${NOBODY}/rotate`,
      body: { overlapMinutes: 0 },
      ...operatorOnly,
      operator: 404,
    },
    { route: "GET /policies", path: "/policies", ...reader, operator: 200 },
    {
      route: "PUT /policies/:policy",
      path: "/policies/of-a-test",
      body: { policy: {} },
      ...operatorOnly,
      operator: 200,
    },
    {
      route: "GET /policies/:policy",
      path: "/policies/nobody",
      ...reader,
      auditor: 404,
      operator: 404,
    },
    {
      route: "DELETE /policies/:policy",
      path: "/policies/nobody",
      ...operatorOnly,
      operator: 404,
    },
    {
      route: "PUT /policy-holders/:holder",
      path: `/policy-holders/key:${NOBODY}`,
      body: { policy: {} },
      ...operatorOnly,
      operator: 404,
    },
    {
      route: "DELETE /policy-holders/:holder",
      path: `/policy-holders/key:${NOBODY}`,
      ...operatorOnly,
      operator: 404,
    },
    {
      route: "POST /policy/test",
      path: "/policy/test",
      body: { subject: `key:${NOBODY}`, probe: "system.overview", agent },
      ...reader,
      auditor: 404,
      operator: 404,
    },
    { route: "GET /signing-keys", path: "/signing-keys", ...reader, operator: 200 },
    {
      route: "POST /signing-keys/rotations",
      path: "/signing-keys/rotations",
      body: { key: "command", overlapDays: 7 },
      ...operatorOnly,
      operator: 201,
    },
    {
      route: "GET /calls/:callId",
      path: `/calls/${NOBODY}`,
      ...reader,
      auditor: 404,
      operator: 404,
    },
    {
      route: "GET /calls/:callId/evidence",
      path: `/calls/${NOBODY}/evidence`,
      ...reader,
      auditor: 404,
      operator: 404,
    },
    {
      route: "GET /calls/:callId/evidence/verdict",
      path: `/calls/${NOBODY}/evidence/verdict`,
      ...reader,
      auditor: 404,
      operator: 404,
    },
    // A stream, so it is for those who ask for one by name.
    {
      route: "GET /events",
      path: "/events",
      ...everyone,
      client: 400,
      auditor: 400,
      operator: 400,
    },
    { route: "GET /people", path: "/people", ...reader, operator: 200 },
    {
      route: "PATCH /people/:id",
      path: `/people/${NOBODY}`,
      body: { disabled: true },
      ...operatorOnly,
      operator: 404,
    },
    { route: "DELETE /people/:id", path: `/people/${NOBODY}`, ...operatorOnly, operator: 404 },
    {
      route: "GET /people/:id/sessions",
      path: `/people/${NOBODY}/sessions`,
      ...reader,
      auditor: 404,
      operator: 404,
    },
    {
      route: "DELETE /people/:id/sessions",
      path: `/people/${NOBODY}/sessions`,
      ...operatorOnly,
      operator: 404,
    },
    { route: "GET /people/invitations", path: "/people/invitations", ...reader, operator: 200 },
    {
      route: "POST /people/invitations",
      path: "/people/invitations",
      body: { role: "member" },
      ...operatorOnly,
      operator: 201,
    },
    {
      route: "DELETE /people/invitations/:id",
      path: `/people/invitations/${NOBODY}`,
      ...operatorOnly,
      operator: 404,
    },
    // An account is a person's: no key has one.
    { route: "GET /me", path: "/me", ...personOnly },
    { route: "GET /sessions", path: "/sessions", ...personOnly },
    { route: "DELETE /sessions/:id", path: `/sessions/${NOBODY}`, ...personOnly },
    { route: "POST /me/passkeys/options", path: "/me/passkeys/options", ...personOnly },
    { route: "POST /me/passkeys", path: "/me/passkeys", body: ANSWER, ...personOnly },
    { route: "DELETE /me/passkeys/:id", path: "/me/passkeys/none", ...personOnly },
    { route: "POST /me/password/options", path: "/me/password/options", ...personOnly },
    {
      route: "PUT /me/password",
      path: "/me/password",
      body: { password: "a horse on the moon 7", sealed: "", code: "000000" },
      ...personOnly,
    },
    { route: "DELETE /me/password", path: "/me/password", ...personOnly },
    // For a browser without a session. A program that is no page of the hub is refused.
    { route: "POST /sign-in/passkey/options", path: "/sign-in/passkey/options", ...pageOnly },
    { route: "POST /sign-in/passkey", path: "/sign-in/passkey", body: ANSWER, ...pageOnly },
    {
      route: "POST /join/passkey/options",
      path: "/join/passkey/options",
      body: { link: LINK, name: "eve" },
      ...pageOnly,
    },
    {
      route: "POST /join/passkey",
      path: "/join/passkey",
      body: { link: LINK, ...ANSWER },
      ...pageOnly,
    },
    { route: "GET /oauth/grants", path: "/oauth/grants", ...reader, operator: 200 },
    {
      route: "DELETE /oauth/grants/:id",
      path: `/oauth/grants/${NOBODY}`,
      ...operatorOnly,
      operator: 404,
    },
    { route: "GET /oauth/clients", path: "/oauth/clients", ...reader, operator: 200 },
    {
      route: "DELETE /oauth/clients/:id",
      path: "/oauth/clients/nobody",
      ...operatorOnly,
      operator: 404,
    },
    {
      route: "GET /oauth/refused-clients",
      path: "/oauth/refused-clients",
      ...reader,
      operator: 200,
    },
    {
      route: "DELETE /oauth/refused-clients/:id",
      path: `/oauth/refused-clients/${NOBODY}`,
      ...operatorOnly,
      operator: 404,
    },
    // Of a person who is signed in.
    { route: "GET /me/grants", path: "/me/grants", ...operatorOnly, operator: 403 },
    {
      route: "DELETE /me/grants/:id",
      path: `/me/grants/${NOBODY}`,
      ...operatorOnly,
      operator: 403,
    },
    { route: "GET /audit", path: "/audit?afterSeq=0&limit=1", ...reader, operator: 200 },
    { route: "GET /audit/attestation", path: "/audit/attestation", ...reader, operator: 200 },
    { route: "POST /audit/checkpoints", path: "/audit/checkpoints", ...reader, operator: 200 },
    {
      route: "GET /audit/entries/:seq/proof",
      path: "/audit/entries/1/proof",
      ...reader,
      operator: 200,
    },
    { route: "GET /audit/sinks", path: "/audit/sinks", ...reader, operator: 200 },
    { route: "GET /audit/holds", path: "/audit/holds", ...reader, operator: 200 },
    {
      route: "POST /audit/holds",
      path: "/audit/holds",
      body: { reason: "A test of rights.", filters: { agent } },
      ...operatorOnly,
      operator: 201,
    },
    {
      route: "DELETE /audit/holds/:id",
      path: `/audit/holds/${NOBODY}`,
      ...operatorOnly,
      operator: 404,
    },
    { route: "GET /audit/witnesses", path: "/audit/witnesses", ...reader, operator: 200 },
    {
      route: "POST /audit/forgotten-logs",
      path: "/audit/forgotten-logs",
      body: { origin: "log.example/nobody" },
      ...operatorOnly,
      operator: 404,
    },
  ];
}

/** `METHOD /path` of each route that the hub's sources add below /api/v1. */
export function readAddedRoutes(): string[] {
  const folder = join(workspace, "hub/src");
  const added = /\bapp\.(get|post|put|delete|patch)\(\s*"\/api\/v1([^"]+)"/g;
  return globSync("*/**/*.ts", { cwd: folder })
    .filter((name) => !name.endsWith(".test.ts"))
    .flatMap((name) => [...readFileSync(join(folder, name), "utf8").matchAll(added)])
    .map(([, method, path]) => `${String(method).toUpperCase()} ${String(path)}`);
}

/** `METHOD /path` of each route that the hub's OpenAPI document has, besides the document. */
export function readDescribedRoutes(document: OpenApi): string[] {
  return Object.entries(document.paths)
    .flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${nameParameters(path)}`),
    )
    .filter((route) => route !== "GET /openapi.json");
}

function nameParameters(path: string): string {
  return path.replace(/^\/api\/v1/, "").replaceAll(/\{([^}]+)\}/g, ":$1");
}

/** `METHOD /path` of each route that the documentation in schemas/ lists. */
export function readDocumentedRoutes(): string[] {
  const text = ["hub-api.ts", "oauth.ts", "policy.ts"]
    .map((name) => readFileSync(join(workspace, "schemas/src", name), "utf8"))
    .join("");
  return [...text.matchAll(/^\/\/ {3}([A-Z]+) +(\/[a-zA-Z/:-]+)/gm)].map(
    ([, method, path]) => `${String(method)} ${String(path)}`,
  );
}
