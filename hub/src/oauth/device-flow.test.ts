import { afterAll, beforeAll, expect, test } from "vitest";
import { Browser, createOAuthClient } from "../testing/oauth-client.ts";
import { type Account, makeOwner } from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

const GRANT = "urn:ietf:params:oauth:grant-type:device_code";
let hub: TestHub;
let owner: Account;
let origin: string;
let client: ReturnType<typeof createOAuthClient>;

beforeAll(async () => {
  hub = await startHub();
  owner = await makeOwner(hub);
  origin = `http://localhost:${hub.ready.http}`;
  client = createOAuthClient(origin);
});
afterAll(() => hub.close());

/** What `sonde login` asks for. */
async function begin() {
  const { status, body } = await client.postForm("/oauth/device/code", {
    ...{ client_id: "sonde-cli", scope: "api.read api.write", resource: `${origin}/api/v1` },
  });
  expect(status).toBe(200);
  return { deviceCode: String(body["device_code"]), userCode: String(body["user_code"]), body };
}

const poll = (deviceCode: string) =>
  client.postForm("/oauth/token", {
    ...{ grant_type: GRANT, client_id: "sonde-cli", device_code: deviceCode },
  });

/** Types the code in a browser that is signed in. */
async function typeCode(userCode: string, browser = new Browser(owner.cookie)) {
  const page = await (await browser.get(`${origin}/oauth/device`)).text();
  const ticket = readTicket(page);
  const answer = await browser.post(`${origin}/oauth/device`, { ticket, user_code: userCode });
  const html = await answer.text();
  return { status: answer.status, html, ticket: readTicket(html), browser };
}

const readTicket = (page: string) => /name="ticket" value="([^"]+)"/.exec(page)?.[1] ?? "";

const decide = async (userCode: string, form: Record<string, string>) => {
  const { browser, ticket } = await typeCode(userCode);
  const fields = { ticket, user_code: userCode, ...form };
  return await browser.post(`${origin}/oauth/device/answer`, fields);
};

test("a terminal gets tokens after a person typed its code and allowed it", async () => {
  const { deviceCode, userCode, body } = await begin();
  expect(body["verification_uri"]).toBe(`${origin}/oauth/device`);
  expect(userCode).toMatch(/^[B-Z]{4}-[B-Z]{4}$/);
  expect((await poll(deviceCode)).body["error"]).toBe("authorization_pending");
  // RFC 8628, 3.5: whoever asks again at once is told to slow down.
  expect((await poll(deviceCode)).body["error"]).toBe("slow_down");
  const { html } = await typeCode(userCode.toLowerCase().replace("-", " "));
  expect(html).toContain(`your own terminal shows <strong class="code">${userCode}</strong>`);
  expect(html).toContain("If somebody sent you this code, refuse");
  const answered = await decide(userCode, { decision: "allow", level: "api.read" });
  expect(await answered.text()).toContain("Your terminal is connected");
  await hub.restart();
  const tokens = await poll(deviceCode);
  expect(tokens.body).toMatchObject({ token_type: "Bearer", scope: "api.read" });
  const asked = await hub.ask("GET", "/agents", undefined, String(tokens.body["access_token"]));
  expect(asked.code).toBe(200);
});

test("a code is for one answer, and a refusal is told to the terminal", async () => {
  const { deviceCode, userCode } = await begin();
  const refused = await decide(userCode, { decision: "deny" });
  expect(await refused.text()).toContain("The terminal gets nothing");
  expect((await typeCode(userCode)).status).toBe(404);
  expect((await poll(deviceCode)).body["error"]).toBe("access_denied");
});

test("nobody who is not signed in is asked, and no link has the code in it", async () => {
  const { url } = await new Browser().follow(`${origin}/oauth/device?user_code=BCDF-GHJK`);
  expect(`${url.pathname}${url.search}`).toBe("/login?next=%2Foauth%2Fdevice");
  const page = await new Browser(owner.cookie).get(`${origin}/oauth/device?user_code=BCDF-GHJK`);
  expect(await page.text()).not.toContain("BCDF");
});

test("attack 38: a form of another page, session or code is refused", async () => {
  const { userCode } = await begin();
  const other = await begin();
  const { browser, ticket } = await typeCode(userCode);
  const url = `${origin}/oauth/device/answer`;
  const form = { decision: "allow", level: "api.read", user_code: userCode };
  const evil = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
  expect((await browser.post(url, { ...form, ticket }, evil)).status).toBe(403);
  expect((await browser.post(url, { ...form, ticket: "x" })).status).toBe(403);
  const moved = { ...form, ticket, user_code: other.userCode };
  expect((await browser.post(url, moved)).status).toBe(403);
});

test("a person may guess ten times within ten minutes", async () => {
  const { userCode } = await begin();
  let last = 0;
  for (let count = 0; count < 12; count++) last = (await typeCode("BBBB-BBBB")).status;
  expect(last).toBe(429);
  expect((await typeCode(userCode)).status).toBe(429);
});
