// The hub's REST API, as the console asks it: same origin, with the session's cookie. There is no key
// or token in any script or storage.

/** A refusal of the hub, or that it did not answer. */
export class Refusal extends Error {
  readonly status: number;
  /** Of the error table; `UNREACHABLE` when the hub did not answer. */
  readonly code: string;
  /** What to do next. */
  readonly hint: string;

  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

export const UNREACHABLE = "UNREACHABLE";

/** Is called when the hub does not know who asks. */
let onSignedOut: () => void = () => undefined;
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/**
 * Asks a route below /api/v1.
 *
 * @param path begins with a slash; every part that is not fixed comes from `part`
 * @returns the body, in the shape that schemas/src/hub-api.ts states for the route
 * @throws Refusal
 */
export async function ask<T>(method: string, path: string, body?: object): Promise<T> {
  const response = await send(`/api/v1${path}`, {
    method,
    headers: {
      accept: "application/json",
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (!response.ok) throw await readRefusal(response);
  return (await response.json()) as T;
}

/**
 * Reads a whole list, page by page.
 *
 * @param member of the body that has the items; `next` says that another page follows
 * @throws Refusal
 */
export async function askAll<Item>(path: string, member: string): Promise<Item[]> {
  const items: Item[] = [];
  let query = "";
  for (;;) {
    const page = await ask<Record<string, unknown>>("GET", `${path}${query}`);
    items.push(...(page[member] as Item[]));
    const { next } = page as { next?: string };
    if (next === undefined) return items;
    query = `?${new URLSearchParams({ cursor: next }).toString()}`;
  }
}

/** One segment of a path. */
export function part(text: string): string {
  return encodeURIComponent(text);
}

/** Until this ends, the hub gives this browser another session. */
let renewing: Promise<unknown> = Promise.resolve();

/**
 * Asks for a change of credentials, which ends the session and gives another. What asks meanwhile
 * waits: it would be refused with the cookie of before.
 *
 * @throws Refusal
 */
export async function askRenewed<T>(method: string, path: string, body?: object): Promise<T> {
  const answered = ask<T>(method, path, body);
  renewing = answered.catch(() => undefined);
  return await answered;
}

/** @throws Refusal UNREACHABLE */
export async function send(url: string, init: RequestInit): Promise<Response> {
  await renewing;
  try {
    return await fetch(url, { credentials: "same-origin", cache: "no-store", ...init });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new Refusal(0, UNREACHABLE, "The hub does not answer.", "It is asked again by itself.");
  }
}

export async function readRefusal(response: Response): Promise<Refusal> {
  const { status } = response;
  if (status === 401) onSignedOut();
  const body = (await response.json().catch(() => ({}))) as object;
  // A problem (RFC 9457), whose members are these too.
  const said = { ...body } as Record<string, unknown>;
  const text = (name: string) => (typeof said[name] === "string" ? said[name] : undefined);
  return new Refusal(
    status,
    text("code") ?? `HTTP ${status}`,
    text("detail") ?? `The hub answered ${status}.`,
    text("hint") ?? "",
  );
}

/** What a thrown value says to a person. */
export function toRefusal(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  return new Refusal(0, "INTERNAL", String(thrown), "Reload the page.");
}
