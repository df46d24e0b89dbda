import { isIP } from "node:net";
import { randomBytes, randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { PasskeyAnswer } from "@sonde/schemas/people";
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from "@simplewebauthn/server";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Hub } from "../../hub.ts";
import type { Cookies } from "./cookies.ts";
import type { CredentialStore } from "./credential-store.ts";
import type { NewPasskey } from "./write-credential.ts";
import type { Vault } from "./vault.ts";

const CHALLENGE_BYTES = 32;
/** As long as a browser may wait for its person. */
const CHALLENGE_MS = 5 * 60_000;

/** Whose passkey is made. */
export type Maker = { personId: string; name: string };

/**
 * Passkeys: WebAuthn with user verification, so that each is two factors in one. The challenge lies
 * sealed in the browser that asked for it, so that strangers' questions cost no row and need no
 * limit; an answer uses it up.
 */
export type Passkeys = {
  /** @param of what the passkey is for, such as one link */
  offerMaking(
    request: FastifyRequest,
    reply: FastifyReply,
    asked: { of: string; maker: Maker },
  ): Promise<PublicKeyCredentialCreationOptionsJSON>;
  /** @throws SondeError BAD_REQUEST for an answer that proves nothing */
  make(
    request: FastifyRequest,
    of: string,
    answer: PasskeyAnswer,
  ): Promise<{ maker: Maker; passkey: Omit<NewPasskey, "name"> }>;
  offerSignIn(
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<PublicKeyCredentialRequestOptionsJSON>;
  /**
   * @returns the person's id
   * @throws SondeError SIGN_IN_REFUSED, the same for every reason
   */
  signIn(request: FastifyRequest, answer: PasskeyAnswer): Promise<string>;
};

/** Loaded at the first passkey: the library is large. */
const webAuthn = () => import("@simplewebauthn/server");

export function createPasskeys(
  { now }: Pick<Hub, "now">,
  uses: { cookies: Cookies; vault: Vault; credentials: CredentialStore },
): Passkeys {
  const { cookies, vault, credentials } = uses;

  const keepChallenge = (
    request: FastifyRequest,
    reply: FastifyReply,
    purpose: string,
    maker: Maker | null,
  ): Uint8Array<ArrayBuffer> => {
    const bytes = Uint8Array.from(randomBytes(CHALLENGE_BYTES));
    const challenge = Buffer.from(bytes).toString("base64url");
    const until = new Date(now().getTime() + CHALLENGE_MS);
    const value = vault.seal(`passkey ${purpose}`, { challenge, ...maker }, until);
    cookies.set(request, reply, { name: "passkey", value, maxAgeMs: CHALLENGE_MS });
    return bytes;
  };
  const readChallenge = (request: FastifyRequest, purpose: string) => {
    const sealed = cookies.read(request, "passkey");
    const kept = vault.open(`passkey ${purpose}`, sealed, now());
    return kept as ({ challenge: string } & Partial<Maker>) | null;
  };
  /** Of several answers to one challenge, one counts. */
  const useUp = (challenge: string) =>
    credentials.useChallenge(challenge, {
      at: now(),
      until: new Date(now().getTime() + CHALLENGE_MS),
    });
  const expected = (request: FastifyRequest, challenge: string) => ({
    expectedChallenge: challenge,
    expectedOrigin: `${cookies.schemeOf(request)}://${request.headers.host ?? ""}`,
    expectedRPID: hostOf(request),
    requireUserVerification: true,
  });

  return {
    async offerMaking(request, reply, { of, maker }) {
      const { generateRegistrationOptions } = await webAuthn();
      return await generateRegistrationOptions({
        rpName: "Sonde",
        rpID: hostOf(request),
        userID: Uint8Array.from(Buffer.from(maker.personId)),
        userName: maker.name,
        challenge: keepChallenge(request, reply, of, maker),
        attestationType: "none",
        excludeCredentials: (await credentials.read(maker.personId)).passkeys.map(({ id }) => ({
          id,
        })),
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
      });
    },
    async make(request, of, answer) {
      const kept = readChallenge(request, of);
      if (kept?.personId === undefined || kept.name === undefined)
        throw new SondeError(...UNPROVEN);
      const { verifyRegistrationResponse } = await webAuthn();
      const verified = await orRefuse(UNPROVEN, () =>
        verifyRegistrationResponse({
          response: answer as RegistrationResponseJSON,
          ...expected(request, kept.challenge),
        }),
      );
      if (!verified.verified || !(await useUp(kept.challenge))) throw new SondeError(...UNPROVEN);
      const { id, publicKey, counter } = verified.registrationInfo.credential;
      const transports = answer.response.transports ?? [];
      return {
        maker: { personId: kept.personId, name: kept.name },
        passkey: {
          ...{ id, publicKey: Buffer.from(publicKey), counter, transports },
          host: hostOf(request),
        },
      };
    },
    async offerSignIn(request, reply) {
      const { generateAuthenticationOptions } = await webAuthn();
      return await generateAuthenticationOptions({
        rpID: hostOf(request),
        challenge: keepChallenge(request, reply, "sign-in", null),
        userVerification: "required",
      });
    },
    async signIn(request, answer) {
      const kept = readChallenge(request, "sign-in");
      const known = await credentials.findPasskey(answer.id);
      if (kept === null || known === null) throw new SondeError(...REFUSED);
      const { verifyAuthenticationResponse } = await webAuthn();
      const { verified, authenticationInfo } = await orRefuse(REFUSED, () =>
        verifyAuthenticationResponse({
          response: answer as AuthenticationResponseJSON,
          ...expected(request, kept.challenge),
          credential: {
            id: answer.id,
            publicKey: Uint8Array.from(known.publicKey),
            counter: known.counter,
          },
        }),
      );
      const isUsed =
        verified &&
        (await useUp(kept.challenge)) &&
        (await credentials.usePasskey(answer.id, authenticationInfo.newCounter, now()));
      if (!isUsed || known.disabled) throw new SondeError(...REFUSED);
      return known.personId;
    },
  };
}

const UNPROVEN = [
  "BAD_REQUEST",
  "expected a new passkey for this page, got no proof of one",
] as const;
const REFUSED = ["SIGN_IN_REFUSED", "expected a passkey of an account at this host"] as const;

/** The library throws plain errors for whatever an answer does not prove. */
async function orRefuse<T>(
  [code, message]: typeof UNPROVEN | typeof REFUSED,
  verify: () => Promise<T>,
): Promise<T> {
  try {
    return await verify();
  } catch (cause) {
    throw new SondeError(code, message, { cause });
  }
}

/** The relying party: the name by which the browser reached the hub, without the port. */
function hostOf({ headers }: FastifyRequest): string {
  return new URL(`http://${headers.host ?? ""}`).hostname;
}

/** Browsers have passkeys for names only (WebAuthn, 4: an RP ID is a domain). */
export function hasPasskeys(request: FastifyRequest): boolean {
  return isIP(hostOf(request).replace(/^\[|\]$/g, "")) === 0;
}

export function newMaker(name: string): Maker {
  return { personId: randomUUID(), name };
}
