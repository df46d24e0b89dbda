import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Account,
  askAs,
  invite,
  joinHub,
  makeOwner,
  postForm,
  readCookies,
} from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";
import { codeAt, stepAt } from "./core/totp.ts";

// Accounts of a hub that runs, asked as pages and browsers ask. It believes what 127.0.0.1 says of
// addresses, so that a test can be many strangers.
let hub: TestHub;
let owner: Account;
let strangers = 0;

beforeAll(async () => {
  hub = await startHub(undefined, { trustedProxies: ["127.0.0.1", "::1"] });
  owner = await makeOwner(hub);
});
afterAll(() => hub.close());

const nameOf = (what: string) => `${what}-${randomUUID().slice(0, 8)}`;
const address = (path: string) => `http://localhost:${hub.ready.http}${path}`;
const make = (role: Parameters<typeof invite>[2]) => invite(hub, owner, role, nameOf(role));

/** @param cookie of a browser that the person has used; without it, a stranger's from an own address */
async function signIn(
  fields: { name: string; password: string; code: string },
  cookie?: string,
): Promise<Response> {
  strangers += 1;
  return await postForm(hub, "/login", { ...fields, next: "/there" }, cookie, {
    "x-forwarded-for": `198.51.${strangers >> 8}.${strangers & 255}`,
  });
}

const deviceOf = ({ cookie }: Account) => /sonde-device=[^;]+/.exec(cookie)?.[0] ?? "";
/** A code of now, or of the next 30 s. */
const codeOf = ({ secret }: Account, later = 0) => codeAt(secret, stepAt(new Date()) + later);

async function inDatabase<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
  const database = await hub.openDatabase();
  try {
    return await work(database.sql);
  } finally {
    await database.close();
  }
}
type Sql = Awaited<ReturnType<TestHub["openDatabase"]>>["sql"];

async function readAudit(): Promise<string> {
  const rows = await inDatabase((sql) => sql`select record::text as text from audit_log`);
  return rows.map(({ text }) => String(text)).join("\n");
}

describe("one-time links", () => {
  test("who makes the first account is its owner, and is signed in", async () => {
    expect(await owner.ask("GET", "/me")).toMatchObject({
      code: 200,
      answer: { name: "ada", role: "owner", methods: ["password", "totp"], recoveryCodes: 10 },
    });
  });

  test("a link works once, also for two who use it at once", async () => {
    const { answer } = await owner.ask("POST", "/people/invitations", { role: "member" });
    const link = String(answer["link"]);
    const joined = await Promise.allSettled([
      joinHub(hub, link, nameOf("one")),
      joinHub(hub, link, nameOf("two")),
    ]);
    expect(joined.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    await expect(joinHub(hub, link, nameOf("three"))).rejects.toThrow("LINK_REFUSED");
    await expect(joinHub(hub, hub.ready.ownerLink ?? "", "eve")).rejects.toThrow("LINK_REFUSED");
  });

  test("a link ends with its time, with its giver's key, and when it is revoked", async () => {
    const invitation = async (by: (body: object) => ReturnType<Account["ask"]>) => {
      const { answer } = await by({ role: "member" });
      return { id: String(answer["id"]), link: String(answer["link"]) };
    };
    const late = await invitation((body) => owner.ask("POST", "/people/invitations", body));
    await inDatabase(
      (sql) => sql`update person_links set expires_at = now() where id = ${late.id}`,
    );
    expect((await fetch(late.link)).status).toBe(401);
    await expect(joinHub(hub, late.link, nameOf("late"))).rejects.toThrow("LINK_REFUSED");

    const { id, key } = await hub.addKey({ role: "operator", agents: "*", probes: "*" });
    const stolen = await invitation((body) => hub.ask("POST", "/people/invitations", body, key));
    await hub.ask("DELETE", `/api-keys/${id}`);
    await expect(joinHub(hub, stolen.link, nameOf("eve"))).rejects.toThrow("LINK_REFUSED");

    const revoked = await invitation((body) => owner.ask("POST", "/people/invitations", body));
    expect((await owner.ask("DELETE", `/people/invitations/${revoked.id}`)).code).toBe(200);
    await expect(joinHub(hub, revoked.link, nameOf("bob"))).rejects.toThrow("LINK_REFUSED");
  });

  test("a name is taken once, and the link stays for another name", async () => {
    const { answer } = await owner.ask("POST", "/people/invitations", { role: "member" });
    const link = String(answer["link"]);
    await expect(joinHub(hub, link, "ada")).rejects.toThrow("NAME_TAKEN");
    expect((await joinHub(hub, link, nameOf("bob"))).id).not.toBe("");
  });

  test.each([
    ["shorter than 12 characters", "short-pass1"],
    ["among the most common", "Password1234"],
    ["of few characters", "abababababab"],
  ])("a password that is %s is refused", async (_what, password) => {
    const { answer } = await owner.ask("POST", "/people/invitations", { role: "member" });
    const link = String(answer["link"]);
    await expect(joinHub(hub, link, nameOf("bob"), password)).rejects.toThrow("BAD_REQUEST");
  });
});

describe("passwords", () => {
  test("name, password and code sign in; the answer is the same whatever was wrong", async () => {
    const bob = await make("member");
    const right = { name: bob.name, password: bob.password, code: codeOf(bob) };
    const refused: { status: number; text: string }[] = [];
    // One after the other: of several guesses at once, one counts.
    for (const form of [
      { ...right, name: nameOf("nobody") },
      { ...right, password: "another password 1" },
      { ...right, code: "000000" },
      { ...right, code: "" },
    ]) {
      const response = await signIn(form);
      const text = await response.text();
      refused.push({ status: response.status, text: text.replaceAll(form.name, "NAME") });
    }
    expect(new Set(refused.map(({ text }) => text)).size).toBe(1);
    expect(refused.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
    const response = await signIn(right);
    expect([response.status, response.headers.get("location")]).toEqual([303, "/there"]);
    const me = await askAs(hub, readCookies(response), "GET", "/me");
    expect(me.answer).toMatchObject({ id: bob.id, methods: ["password", "totp"] });
  });

  test("a code counts once, and so does a recovery code", async () => {
    const bob = await make("member");
    const use = async (code: string) =>
      (await signIn({ name: bob.name, password: bob.password, code }, deviceOf(bob))).status;
    const code = codeOf(bob);
    expect([await use(code), await use(code)]).toEqual([303, 401]);
    expect(await use(codeOf(bob, -1))).toBe(401);
    const [recovery = ""] = bob.recoveryCodes;
    expect([await use(recovery.toLowerCase()), await use(recovery)]).toEqual([303, 401]);
    expect((await bob.ask("GET", "/me")).answer).toMatchObject({ recoveryCodes: 9 });
  });

  test("of two sign-ins with one code at once, one succeeds", async () => {
    const bob = await make("member");
    const form = { name: bob.name, password: bob.password, code: codeOf(bob) };
    const both = await Promise.all([signIn(form, deviceOf(bob)), signIn(form, deviceOf(bob))]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([303, 401]);
  });

  test("strangers' guesses from everywhere stop a stranger, and not the person's own browser", async () => {
    const bob = await make("member");
    const wrong = { name: bob.name, password: "a guess of a password", code: "000000" };
    for (let guess = 0; guess < 6; guess += 1) await signIn(wrong);
    const right = { name: bob.name, password: bob.password };
    expect((await signIn({ ...right, code: codeOf(bob) })).status).toBe(401);
    expect((await signIn({ ...right, code: codeOf(bob) }, deviceOf(bob))).status).toBe(303);
    // A right sign-in ends the wait.
    expect((await signIn({ ...right, code: codeOf(bob, 1) })).status).toBe(303);
  });

  test("another person's browser is a stranger's", async () => {
    const [bob, eve] = [await make("member"), await make("member")];
    const wrong = { name: bob.name, password: "a guess of a password", code: "000000" };
    for (let guess = 0; guess < 6; guess += 1) await signIn(wrong, deviceOf(eve));
    const right = { name: bob.name, password: bob.password, code: codeOf(bob) };
    expect((await signIn(right, deviceOf(eve))).status).toBe(401);
  });

  test("many guesses of one address are refused before they are compared", async () => {
    const wrong = { name: nameOf("nobody"), password: "a guess of a password", code: "000000" };
    const from = { "x-forwarded-for": "203.0.113.9" };
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async () => {
        return (await postForm(hub, "/login", wrong, undefined, from)).status;
      }),
    );
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(20);
    // The person at that address, in a browser of their own, is not concerned.
    const bob = await make("member");
    const right = { name: bob.name, password: bob.password, code: codeOf(bob) };
    expect((await postForm(hub, "/login", right, deviceOf(bob), from)).status).toBe(303);
  });
});

describe("what stays secret", () => {
  test("attack 16: neither the database nor the audit log has a link, a cookie, a password or a code", async () => {
    const { answer } = await owner.ask("POST", "/people/invitations", { role: "member" });
    const link = String(answer["link"]);
    const bob = await joinHub(hub, link, nameOf("bob"));
    const { answer: waiting } = await owner.ask("POST", "/people/invitations", { role: "member" });
    const dump = await inDatabase(async (sql) => {
      const tables = ["people", "person_links", "person_sessions", "recovery_codes", "audit_log"];
      const rows = await Promise.all(
        tables.map((table) => sql`select t::text as text from ${sql(table)} t`),
      );
      return rows.flat().map(({ text }) => String(text));
    });
    const all = dump.join("\n");
    expect(all).toContain(bob.name);
    const secrets = [
      new URL(link).searchParams.get("link") ?? "",
      new URL(String(waiting["link"])).searchParams.get("link") ?? "",
      /sonde=([^;]+)/.exec(bob.cookie)?.[1] ?? "",
      bob.password,
      bob.secret.toString("base64url"),
      bob.secret.toString("hex"),
      ...bob.recoveryCodes.flatMap((code) => [code, code.replaceAll("-", "")]),
    ];
    expect(secrets.filter((secret) => secret.length < 16 || all.includes(secret))).toEqual([]);
    expect(dump.find((row) => row.includes("$argon2id$v=19$m=19456,t=2,p=1$"))).toBeDefined();
  });

  test("sign-ins, refusals and changes are in the audit log", async () => {
    const bob = await make("member");
    await signIn({ name: bob.name, password: "another password 1", code: "000000" });
    await owner.ask("PATCH", `/people/${bob.id}`, { role: "auditor" });
    await owner.ask("DELETE", `/people/${bob.id}`);
    const audit = await readAudit();
    for (const event of ["link.created", "person.created", "person.changed", "person.deleted"]) {
      expect(audit).toContain(`"event":"${event}"`);
    }
    expect(audit).toMatch(/"event":"sign-in.accepted".*"principal":"person:/);
    expect(audit).toMatch(/"SIGN_IN_REFUSED".*"event":"sign-in.refused"/);
  });
});

describe("sessions", () => {
  test("attack 38: a planted cookie never becomes a session", async () => {
    const bob = await make("member");
    const planted = "A".repeat(43);
    const form = { name: bob.name, password: bob.password, code: codeOf(bob) };
    const response = await signIn(form, `sonde=${planted}; ${deviceOf(bob)}`);
    expect(response.status).toBe(303);
    const given = /sonde=([^;]+)/.exec(readCookies(response))?.[1];
    expect(given).toMatch(/^[\w-]{43}$/);
    expect(given).not.toBe(planted);
    expect((await askAs(hub, `sonde=${planted}`, "GET", "/me")).code).toBe("UNAUTHENTICATED");
  });

  test("attack 38: a sign-in ends the session that the browser had", async () => {
    const bob = await make("member");
    const form = { name: bob.name, password: bob.password, code: codeOf(bob) };
    const response = await signIn(form, bob.cookie);
    expect((await askAs(hub, readCookies(response), "GET", "/me")).code).toBe(200);
    expect((await bob.ask("GET", "/me")).code).toBe("UNAUTHENTICATED");
  });

  test("two cookies of one name are none", async () => {
    const value = /sonde=([^;]+)/.exec(owner.cookie)?.[1] ?? "";
    const both = `sonde=${value}; sonde=${"A".repeat(43)}`;
    expect((await askAs(hub, both, "GET", "/me")).code).toBe("UNAUTHENTICATED");
  });

  test("a cookie is for the hub's host alone, and no script reads it", async () => {
    const bob = await make("member");
    const form = { name: bob.name, password: bob.password, code: codeOf(bob) };
    const set = (await signIn(form, deviceOf(bob))).headers.getSetCookie();
    expect(set.map((cookie) => cookie.replace(/=[^;]*/, ""))).toEqual([
      "sonde-device; Path=/; Max-Age=15552000; HttpOnly; SameSite=Lax",
      "sonde; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax",
    ]);
  });

  test("a person lists and ends own sessions, and nobody else's", async () => {
    const [bob, eve] = [await make("member"), await make("member")];
    const form = { name: bob.name, password: bob.password, code: codeOf(bob) };
    const other = readCookies(await signIn(form, deviceOf(bob)));
    const { answer } = await bob.ask("GET", "/sessions");
    const sessions = answer["sessions"] as { id: string; current: boolean }[];
    expect(sessions.map(({ current }) => current)).toEqual([false, true]);
    const [newest] = sessions;
    expect((await eve.ask("DELETE", `/sessions/${newest?.id}`)).code).toBe("NOT_FOUND");
    expect((await askAs(hub, other, "GET", "/me")).code).toBe(200);
    expect((await bob.ask("DELETE", `/sessions/${newest?.id}`)).code).toBe(200);
    expect((await askAs(hub, other, "GET", "/me")).code).toBe("UNAUTHENTICATED");
    expect((await bob.ask("GET", "/me")).code).toBe(200);
  });

  test("an admin sees and ends a person's sessions, but not an owner's", async () => {
    const [admin, bob] = [await make("admin"), await make("member")];
    const path = `/people/${bob.id}/sessions`;
    expect((await admin.ask("GET", path)).answer["sessions"]).toMatchObject([{ current: false }]);
    expect((await admin.ask("DELETE", path)).answer["sessions"]).toEqual([]);
    expect((await bob.ask("GET", "/me")).code).toBe("UNAUTHENTICATED");
    expect((await admin.ask("DELETE", `/people/${owner.id}/sessions`)).code).toBe("FORBIDDEN");
  });

  test("a sign-out ends the session", async () => {
    const bob = await make("member");
    expect((await postForm(hub, "/logout", {}, bob.cookie)).status).toBe(303);
    expect((await bob.ask("GET", "/me")).code).toBe("UNAUTHENTICATED");
  });

  test("a session whose person has other rights, is disabled or deleted ends at once", async () => {
    const [one, two, three] = [await make("member"), await make("member"), await make("member")];
    expect((await owner.ask("PATCH", `/people/${one.id}`, { role: "auditor" })).code).toBe(200);
    expect((await owner.ask("PATCH", `/people/${two.id}`, { disabled: true })).code).toBe(200);
    expect((await owner.ask("DELETE", `/people/${three.id}`)).code).toBe(200);
    for (const person of [one, two, three]) {
      expect((await person.ask("GET", "/me")).code).toBe("UNAUTHENTICATED");
    }
    const form = { name: two.name, password: two.password, code: codeOf(two) };
    expect((await signIn(form, deviceOf(two))).status).toBe(401);
    expect((await owner.ask("PATCH", `/people/${two.id}`, { disabled: false })).code).toBe(200);
    expect((await signIn({ ...form, code: codeOf(two, 1) }, deviceOf(two))).status).toBe(303);
  });

  test("changes of people and credentials need a sign-in of the last ten minutes", async () => {
    const admin = await make("admin");
    await inDatabase(async (sql) => {
      const [row] = await sql`update person_sessions
        set created_at = now() - interval '10 minutes' where person_id = ${admin.id} returning id`;
      await sql`insert into changes (kind, id) values ('session', ${String(row?.["id"])})`;
    });
    const invitation = () => admin.ask("POST", "/people/invitations", { role: "member" });
    await expect.poll(async () => (await invitation()).code).toBe("SIGN_IN_AGAIN");
    const bob = await make("member");
    expect((await admin.ask("PATCH", `/people/${bob.id}`, { disabled: true })).code).toBe(
      "SIGN_IN_AGAIN",
    );
    expect((await admin.ask("DELETE", `/people/${bob.id}`)).code).toBe("SIGN_IN_AGAIN");
    expect((await admin.ask("POST", "/me/password/options")).code).toBe("SIGN_IN_AGAIN");
    expect((await admin.ask("GET", "/people")).code).toBe(200);
  });
});

describe("ways to sign in", () => {
  test("the last one stays, also when two are removed at once", async () => {
    const member = await make("member");
    expect((await member.ask("DELETE", "/me/password")).code).toBe("LAST_CREDENTIAL");
    expect((await member.ask("GET", "/me")).answer["hasPassword"]).toBe(true);
    const passkey = nameOf("passkey");
    await inDatabase(
      (sql) => sql`insert into passkeys
        (id, person_id, name, public_key, counter, transports, host, created_at)
        values (${passkey}, ${member.id}, 'phone', '', 0, '{}', 'localhost', now())`,
    );
    expect((await member.ask("GET", "/me")).answer["passkeys"]).toMatchObject([{ name: "phone" }]);
    await Promise.all([
      member.ask("DELETE", "/me/password"),
      member.ask("DELETE", `/me/passkeys/${passkey}`),
    ]);
    const left = await inDatabase(
      (sql) => sql`select 1 from people p left join passkeys k on k.person_id = p.id
        where p.id = ${member.id} and (p.password_hash is not null or k.id is not null)`,
    );
    expect(left).toHaveLength(1);
  });

  test("nobody removes the passkey of another person", async () => {
    const [member, other] = [await make("member"), await make("member")];
    const passkey = nameOf("passkey");
    await inDatabase(
      (sql) => sql`insert into passkeys
        (id, person_id, public_key, counter, transports, host, created_at)
        values (${passkey}, ${other.id}, '', 0, '{}', 'localhost', now())`,
    );
    expect((await member.ask("DELETE", `/me/passkeys/${passkey}`)).code).toBe("NOT_FOUND");
    expect((await other.ask("GET", "/me")).answer["passkeys"]).toMatchObject([{ id: passkey }]);
  });
});

describe("requests of other pages", () => {
  const from: [string, Record<string, string>][] = [
    ["another site", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }],
    ["another port of this host", { origin: "http://localhost:1", "sec-fetch-site": "same-site" }],
    ["a page that hides its origin", { origin: "null", "sec-fetch-site": "cross-site" }],
    ["nowhere", {}],
    ["another site, without a word of its origin", { "sec-fetch-site": "cross-site" }],
  ];

  test.each(from)(
    "attack 38: a write with a cookie from %s is refused",
    async (_where, headers) => {
      const response = await fetch(address("/api/v1/people/invitations"), {
        method: "POST",
        headers: { ...headers, cookie: owner.cookie, "content-type": "application/json" },
        body: JSON.stringify({ role: "member" }),
      });
      expect(response.status).toBe(403);
      expect(await response.text()).toContain("ORIGIN_REFUSED");
    },
  );

  test.each(from)("attack 38: a form of %s signs nobody in or out", async (_where, headers) => {
    const bob = await make("member");
    const form = { name: bob.name, password: bob.password, code: codeOf(bob) };
    for (const path of ["/login", "/logout"]) {
      const response = await fetch(address(path), {
        method: "POST",
        redirect: "manual",
        headers: { ...headers, cookie: bob.cookie },
        body: new URLSearchParams(path === "/login" ? form : {}),
      });
      expect(response.status).toBe(403);
      expect(response.headers.getSetCookie()).toEqual([]);
    }
    expect((await bob.ask("GET", "/me")).code).toBe(200);
  });

  test("a cookie opens nothing at the MCP endpoint", async () => {
    const response = await fetch(address("/mcp"), {
      method: "POST",
      headers: {
        ...{ cookie: owner.cookie, origin: address(""), "sec-fetch-site": "same-origin" },
        ...{ "content-type": "application/json", accept: "application/json, text/event-stream" },
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    });
    expect(response.status).toBe(401);
  });

  test("attack 38: the pages are in no frame, and run no script but the hub's own", async () => {
    const { answer } = await owner.ask("POST", "/people/invitations", { role: "member" });
    for (const page of [address("/login"), String(answer["link"])]) {
      const { headers } = await fetch(page);
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).toContain("require-trusted-types-for 'script'");
      expect(policy).not.toContain("unsafe");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("cache-control")).toBe("no-store");
    }
  });

  test("attack 38: what was typed and what the address says come back as text", async () => {
    const evil = `"><script>alert(1)</script>`;
    const page = await fetch(address(`/login?next=${encodeURIComponent(evil)}`));
    expect(await page.text()).not.toContain("alert(1)");
    const response = await signIn({ name: evil, password: "x", code: "1" });
    const text = await response.text();
    expect(text).toContain("&lt;script&gt;");
    expect(text).not.toContain("<script>alert");
  });
});

describe("who may change whom", () => {
  test("an admin neither makes nor changes an owner", async () => {
    const admin = await make("admin");
    const [second, bob] = [await make("owner"), await make("member")];
    const invitation = { role: "owner" };
    expect((await admin.ask("POST", "/people/invitations", invitation)).code).toBe("FORBIDDEN");
    expect((await admin.ask("PATCH", `/people/${bob.id}`, { role: "owner" })).code).toBe(
      "FORBIDDEN",
    );
    for (const change of [{ role: "member" }, { disabled: true }]) {
      expect((await admin.ask("PATCH", `/people/${second.id}`, change)).code).toBe("FORBIDDEN");
    }
    expect((await admin.ask("DELETE", `/people/${second.id}`)).code).toBe("FORBIDDEN");
    expect((await hub.ask("DELETE", `/people/${second.id}`)).code).toBe("FORBIDDEN");
    expect((await owner.ask("DELETE", `/people/${second.id}`)).code).toBe(200);
  });

  test("the last owner stays, also when two owners end each other at once", async () => {
    for (const change of [{ role: "member" }, { disabled: true }]) {
      expect((await owner.ask("PATCH", `/people/${owner.id}`, change)).code).toBe("LAST_OWNER");
    }
    expect((await owner.ask("DELETE", `/people/${owner.id}`)).code).toBe("LAST_OWNER");
    const second = await make("owner");
    const codes = await Promise.all([
      owner.ask("PATCH", `/people/${second.id}`, { role: "admin" }),
      second.ask("PATCH", `/people/${owner.id}`, { role: "admin" }),
    ]);
    const owners = await inDatabase(
      (sql) => sql`select name from people where role = 'owner' and disabled_at is null`,
    );
    expect(owners.map(({ name }) => String(name))).toHaveLength(1);
    expect(codes.filter(({ code }) => code === 200)).toHaveLength(1);
    // For the tests after this one.
    await inDatabase((sql) => sql`update people set role = 'owner' where id = ${owner.id}`);
  });
});
