import { SondeError } from "@sonde/schemas/errors";
import { buildParser } from "@sonde/schemas/parse";
import { Type } from "typebox";
import { postForm, requestJson } from "../http-json.ts";
import { requireSafeHub } from "../hub-client.ts";
import type { Token } from "./profiles.ts";

/** By this name every hub knows the `sonde` command. */
const CLIENT_ID = "sonde-cli";
const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPE = "api.read api.write";

/** A hub, as a profile has it. */
export type Place = { hub: string; ca?: string | undefined };

/** What a terminal shows until the person has answered (RFC 8628, 3.2). Durations are in seconds. */
export type DeviceCode = {
  deviceCode: string;
  userCode: string;
  verificationUri: string;
  expiresInSeconds: number;
  intervalSeconds: number;
};

const Printable = Type.String({ pattern: "^[!-~]{1,500}$" });
const parseResource = buildParser(
  Type.Object({ resource: Type.String({ maxLength: 600 }) }),
  "metadata of the hub",
  "HUB_UNREACHABLE",
);
const parseDevice = buildParser(
  Type.Object({
    device_code: Printable,
    user_code: Printable,
    verification_uri: Printable,
    expires_in: Type.Integer({ minimum: 1, maximum: 86_400 }),
    interval: Type.Optional(Type.Integer({ minimum: 1, maximum: 600 })),
  }),
  "answer of the hub",
  "HUB_UNREACHABLE",
);
const parseTokens = buildParser(
  Type.Object({
    access_token: Printable,
    refresh_token: Printable,
    expires_in: Type.Integer({ minimum: 1, maximum: 86_400 }),
  }),
  "answer of the hub",
  "HUB_UNREACHABLE",
);
const parseRefusal = buildParser(
  Type.Object({
    error: Type.String({ maxLength: 100 }),
    error_description: Type.Optional(Type.String({ maxLength: 2_000 })),
  }),
  "refusal of the hub",
  "HUB_UNREACHABLE",
);

/**
 * Begins a sign-in by a code that a person types into a page of the hub.
 *
 * @throws SondeError HUB_UNREACHABLE; BAD_REQUEST when the hub goes by another name or refuses
 */
export async function requestDeviceCode(place: Place): Promise<DeviceCode> {
  const { hub } = place;
  requireSafeHub(hub);
  const { resource } = parseResource(
    await requestJson({
      ...{ method: "GET", target: targetOf(place), what: "hub", unavailable: "HUB_UNREACHABLE" },
      path: "/.well-known/oauth-protected-resource/api/v1",
    }),
  );
  // RFC 9728, 3.3: a resource says its own name, else a token for one hub could be for another.
  if (URL.parse(resource)?.origin !== hub) {
    const named = JSON.stringify(resource.slice(0, 200));
    throw new SondeError(
      "BAD_REQUEST",
      `expected the hub by the address that it goes by, ${named}, got ${hub}; http.publicUrl of its configuration says that address`,
    );
  }
  const { status, answer } = await post(place, "/oauth/device/code", {
    ...{ client_id: CLIENT_ID, scope: SCOPE, resource },
  });
  if (status !== 200) throw refusedBy(answer);
  const read = parseDevice(answer);
  return {
    deviceCode: read.device_code,
    userCode: read.user_code,
    verificationUri: read.verification_uri,
    expiresInSeconds: read.expires_in,
    intervalSeconds: read.interval ?? 5,
  };
}

/**
 * Asks once whether the person has answered.
 *
 * @param now at the answer, from which the token's time counts
 * @returns the token, or why there is none yet (RFC 8628, 3.5)
 * @throws SondeError FORBIDDEN when the person refused; UNAUTHENTICATED when the code is over
 */
export async function pollDeviceCode(
  place: Place,
  deviceCode: string,
  now: () => Date,
): Promise<Token | "pending" | "slow down"> {
  const { status, answer } = await post(place, "/oauth/token", {
    ...{ grant_type: DEVICE_GRANT, client_id: CLIENT_ID, device_code: deviceCode },
  });
  if (status === 200) return readToken(answer, now());
  switch (parseRefusal(answer).error) {
    case "authorization_pending":
      return "pending";
    case "slow_down":
      return "slow down";
    case "access_denied":
      throw new SondeError("FORBIDDEN", "the person refused this terminal; nothing is kept");
    case "expired_token":
      throw codeIsOver(place);
    default:
      throw refusedBy(answer);
  }
}

/** For a code that nobody typed in time. */
export function codeIsOver({ hub }: Place): SondeError {
  return new SondeError(
    "UNAUTHENTICATED",
    `nobody typed the code in time; for a new one: sonde login --hub ${hub} --device`,
  );
}

/**
 * Takes the next token in place of a refresh token, which is used up by that.
 *
 * @returns null when the hub does not take it any more
 */
export async function refreshToken(
  place: Place,
  refresh: string,
  now: () => Date,
): Promise<Token | null> {
  const { status, answer } = await post(place, "/oauth/token", {
    ...{ grant_type: "refresh_token", client_id: CLIENT_ID, refresh_token: refresh },
  });
  if (status === 200) return readToken(answer, now());
  const { error } = parseRefusal(answer);
  if (error === "invalid_grant" || error === "invalid_client") return null;
  throw refusedBy(answer);
}

/** Ends a sign-in at the hub, with all its tokens (RFC 7009). @throws SondeError HUB_UNREACHABLE */
export async function revokeToken(place: Place, refresh: string): Promise<void> {
  const { status } = await post(place, "/oauth/revoke", {
    ...{ client_id: CLIENT_ID, token: refresh },
  });
  if (status === 200) return;
  throw new SondeError("HUB_UNREACHABLE", `expected the hub to end the sign-in, got ${status}`);
}

async function post(place: Place, path: string, form: Record<string, string>) {
  requireSafeHub(place.hub);
  return await postForm({
    ...{ target: targetOf(place), path, form, what: "hub", unavailable: "HUB_UNREACHABLE" },
  });
}

function targetOf({ hub, ca }: Place): { url: string; ca?: string } {
  return { url: hub, ...(ca !== undefined && { ca }) };
}

function readToken(answer: unknown, now: Date): Token {
  const { access_token, refresh_token, expires_in } = parseTokens(answer);
  const expiresAt = new Date(now.getTime() + expires_in * 1000).toISOString();
  return { access: access_token, refresh: refresh_token, expiresAt };
}

function refusedBy(answer: unknown): SondeError {
  const { error, error_description: more = "no reason" } = parseRefusal(answer);
  return new SondeError("BAD_REQUEST", `the hub refuses the sign-in with ${error}: ${more}`);
}
