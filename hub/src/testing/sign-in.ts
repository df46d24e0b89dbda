import type { PersonRole } from "@sonde/schemas/people";
import { codeAt, stepAt } from "../people/core/totp.ts";
import type { TestHub } from "./start-hub.ts";

const PASSWORD = "a horse on the moon 7";

/** A person whose browser is signed in at a hub. */
export type Account = {
  id: string;
  name: string;
  password: string;
  /** Of the app. */
  secret: Buffer;
  recoveryCodes: string[];
  /** The value of a Cookie header. */
  cookie: string;
  /** Asks a route under `/api/v1` as a page of the hub does; `code` is the error's, or the status. */
  ask(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ answer: Record<string, unknown>; code: string | number }>;
};

/**
 * Makes an account with a password by a one-time link, on the hub's own page.
 *
 * @param link a whole address, as the hub's log or an invitation has it
 */
export async function joinHub(
  hub: TestHub,
  link: string,
  name: string,
  password = PASSWORD,
): Promise<Account> {
  const secret = new URL(link).searchParams.get("link") ?? "";
  const page = await (await fetch(addressOf(hub, `/join?link=${secret}`))).text();
  const field = (found: RegExp) => found.exec(page)?.[1] ?? "";
  const totp = fromBase32(field(/<span class="code">([A-Z2-7]+)<\/span>/));
  const sealed = field(/name="sealed" value="([^"]+)"/);
  // One step early, so that the codes of now and of the next step stay unused.
  const send = () =>
    postForm(hub, "/join", {
      ...{ link: secret, name, password, sealed },
      code: codeAt(totp, stepAt(new Date()) - 1),
    });
  let response = await send();
  // The next step may have begun on the way, and then the code is too old.
  if (response.status === 400) response = await send();
  const text = await response.text();
  if (response.status !== 200) throw new Error(`expected an account, got ${text}`);
  const cookie = readCookies(response);
  const ask: Account["ask"] = (method, path, body) => askAs(hub, cookie, method, path, body);
  const { answer } = await ask("GET", "/me");
  return {
    ...{ id: String(answer["id"]), name, password, secret: totp, cookie, ask },
    recoveryCodes: [...text.matchAll(/<li class="code">([^<]+)/g)].map(([, found = ""]) => found),
  };
}

/** The first owner of a hub that has none. */
export async function makeOwner(hub: TestHub, name = "ada"): Promise<Account> {
  return await joinHub(hub, hub.ready.ownerLink ?? "", name);
}

/** Invites somebody, who makes an account. */
export async function invite(
  hub: TestHub,
  by: Account,
  role: PersonRole,
  name: string,
): Promise<Account> {
  const { answer } = await by.ask("POST", "/people/invitations", { role });
  return await joinHub(hub, String(answer["link"]), name);
}

/** Sends a form as a page of the hub does. @param cookie of the browser that sends it */
export async function postForm(
  hub: TestHub,
  path: string,
  fields: Record<string, string>,
  cookie?: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return await fetch(addressOf(hub, path), {
    method: "POST",
    redirect: "manual",
    headers: { origin: addressOf(hub, ""), ...(cookie !== undefined && { cookie }), ...headers },
    body: new URLSearchParams(fields),
  });
}

/** The cookies that an answer sets, as a browser sends them back. */
export function readCookies(response: Response): string {
  return response.headers
    .getSetCookie()
    .map((set) => set.split(";")[0] ?? "")
    .join("; ");
}

export async function askAs(
  hub: TestHub,
  cookie: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ answer: Record<string, unknown>; code: string | number }> {
  const response = await fetch(addressOf(hub, `/api/v1${path}`), {
    method,
    headers: {
      cookie,
      ...(method !== "GET" && { origin: addressOf(hub, "") }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as Record<string, unknown> & { error?: { code: string } };
  return { answer, code: answer.error?.code ?? response.status };
}

function addressOf(hub: TestHub, path: string): string {
  return `http://localhost:${hub.ready.http}${path}`;
}

/** What an app reads from the words on a page. */
export function fromBase32(text: string): Buffer {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = text
    .split("")
    .map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0"));
  const bytes = bits.join("").match(/.{8}/g) ?? [];
  return Buffer.from(bytes.map((byte) => Number.parseInt(byte, 2)));
}
