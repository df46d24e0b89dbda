import { randomUUID } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Directory, openDirectory } from "../../directory/index.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createCookies } from "./cookies.ts";
import { createPersonStore } from "./person-store.ts";
import { createSessionStore } from "./session-store.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { createVault } from "./vault.ts";

// Sessions over a real database, at a time that the test chooses.
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const START = Date.parse("2026-11-29T10:00:00Z");
let time = START;
const now = () => new Date(time);
const fail = (error: Error) => {
  throw error;
};
const opened: Directory[] = [];
let database: HubDatabase;
let sessions: Sessions;
let personId: string;

const http = { host: "127.0.0.1", port: 0, behindProxy: false, publicHosts: [] };
const cookies = createCookies({ http });

/** One hub of the database. */
async function openHub(): Promise<Sessions> {
  const { sql } = await database.openAgain();
  const directory = await openDirectory(sql, fail);
  opened.push(directory);
  const auditLog = { append: () => Promise.resolve(), flush: () => Promise.resolve() } as never;
  const made = createSessions({ auditLog, now }, createSessionStore(sql, directory), cookies);
  directory.onChange(({ kind, id }) => {
    if (kind === "person" || kind === "session") made.forget(kind, id);
  });
  return made;
}

beforeAll(async () => {
  database = await openHubDatabase();
  sessions = await openHub();
  personId = randomUUID();
  const [directory] = opened as [Directory];
  await createPersonStore(database.sql, directory).add({
    ...{ id: personId, name: "ada", role: "owner", createdBy: null, at: now() },
    credential: { kind: "sso", issuer: "https://id.example", subject: "1" },
  });
});
afterAll(async () => {
  for (const directory of opened) await directory.close();
  await database.close();
});

function requestWith(cookie: string | undefined): FastifyRequest {
  const headers = { cookie, host: "localhost", "user-agent": "a\u202ebrowser" };
  return { headers, ip: "127.0.0.1", method: "GET", raw: { socket: {} } } as never;
}

/** Signs in. @returns what the browser then sends */
async function begin(before?: string): Promise<FastifyRequest> {
  const set: string[] = [];
  const reply = { header: (_name: string, value: string) => void set.push(value) };
  const person = { id: personId, methods: ["passkey" as const] };
  await sessions.begin(requestWith(before), reply as unknown as FastifyReply, person);
  return requestWith(set.at(-1)?.split(";")[0]);
}

test("a session ends an hour after its last request, and twelve after its sign-in", async () => {
  const request = await begin();
  for (let hour = 0; hour < 12; hour += 1) {
    time += 59 * MINUTE_MS;
    expect(await sessions.signedIn(request)).toMatchObject({ id: personId, name: "ada" });
  }
  time = START + 12 * HOUR_MS - 1;
  expect(await sessions.signedIn(request)).not.toBeNull();
  time = START + 12 * HOUR_MS;
  expect(await sessions.signedIn(request)).toBeNull();

  const idle = await begin();
  time += HOUR_MS - 1;
  const other = await openHub();
  expect(await sessions.signedIn(idle)).not.toBeNull();
  time += HOUR_MS;
  expect(await sessions.signedIn(idle)).toBeNull();
  expect(await other.signedIn(idle)).toBeNull();
});

test("a session that ended at one hub is refused at every hub", async () => {
  const request = await begin();
  const other = await openHub();
  const found = await other.signedIn(request);
  expect(found?.id).toBe(personId);
  await sessions.end([found?.sessionId ?? ""], "person:test");
  expect(await sessions.signedIn(request)).toBeNull();
  await expect.poll(() => other.signedIn(request)).toBeNull();
});

test("a session that ended while another hub read it is not kept there", async () => {
  const request = await begin();
  const found = await sessions.signedIn(request);
  const other = await openHub();
  const reading = other.signedIn(request);
  other.forget("session", found?.sessionId ?? "");
  await reading;
  await database.sql`delete from person_sessions where id = ${found?.sessionId ?? ""}`;
  expect(await other.signedIn(request)).toBeNull();
});

test("the list of sessions shows what a browser says of itself in one plain line", async () => {
  await begin();
  const rows = await database.sql`select distinct browser from person_sessions`;
  expect(rows.map(({ browser }) => String(browser))).toEqual(["a\\u202ebrowser"]);
});

test("over TLS a cookie is bound to this host and to TLS", () => {
  const behind = createCookies({ http: { ...http, behindProxy: true } });
  const set: string[] = [];
  const reply = { header: (_name: string, value: string) => void set.push(value) };
  const cookie = { name: "session", value: "v", maxAgeMs: 1000 } as const;
  behind.set(requestWith(undefined), reply as unknown as FastifyReply, cookie);
  expect(set).toEqual(["__Host-sonde=v; Path=/; Max-Age=1; HttpOnly; SameSite=Lax; Secure"]);
  // One that any page of the domain could have planted.
  expect(behind.read(requestWith("sonde=v"), "session")).toBeUndefined();
  expect(behind.read(requestWith("a=b; __Host-sonde=v"), "session")).toBe("v");
});

test("what is sealed opens for its purpose, with its key and in its time only", () => {
  const key = Buffer.alloc(32, 1);
  const vault = createVault(key);
  const sealed = vault.seal("a", { of: 1 }, new Date(START + 1));
  const at = new Date(START);
  expect(vault.open("a", sealed, at)).toEqual({ of: 1 });
  expect(createVault(key).open("a", sealed, at)).toEqual({ of: 1 });
  expect(vault.open("b", sealed, at)).toBeNull();
  expect(createVault(Buffer.alloc(32, 2)).open("a", sealed, at)).toBeNull();
  expect(vault.open("a", sealed, new Date(START + 1))).toBeNull();
  const changed = Buffer.from(sealed, "base64url");
  changed[20] = (changed[20] ?? 0) ^ 1;
  expect(vault.open("a", changed.toString("base64url"), at)).toBeNull();
  for (const nothing of [undefined, "", "AAAA", "A".repeat(60)]) {
    expect(vault.open("a", nothing, at)).toBeNull();
  }
  expect(vault.open("a", vault.seal("a", {}, null), new Date(8.64e15))).toEqual({});
});
