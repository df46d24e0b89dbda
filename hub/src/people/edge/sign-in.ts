import { SondeError } from "@sonde/schemas/errors";
import type { SignInMethod } from "@sonde/schemas/people";
import { createRateLimit, createRefusalCounts } from "@sonde/service";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Hub } from "../../hub.ts";
import { mayGuess } from "../core/throttle.ts";
import { findStep, TOTP_SECRET_BYTES } from "../core/totp.ts";
import type { Cookies } from "./cookies.ts";
import type { Passwords } from "./passwords.ts";
import type { Account, PersonStore } from "./person-store.ts";
import { readRecoveryCode } from "./second-factor.ts";
import type { Vault } from "./vault.ts";

/** Guesses a minute of one address, and of one browser that a person has used before. */
const GUESSES = { perMinute: 10, atOnce: 20 };
const DAY_MS = 24 * 3_600_000;
/** How long the hub knows the browser of a person. */
const DEVICE_MS = 180 * DAY_MS;

export type SignInForm = { name: string; password: string; code: string };

/** Decides whether somebody is who they say. */
export type SignIn = {
  /**
   * Name, password and code at once: the one answer tells nobody which of them was wrong, or that
   * there is no such person.
   *
   * @throws SondeError SIGN_IN_REFUSED, TOO_MANY_ATTEMPTS
   */
  byPassword(
    request: FastifyRequest,
    form: SignInForm,
  ): Promise<{ id: string; methods: SignInMethod[] }>;
  /** Notes a right sign-in, and that this browser is the person's. */
  note(request: FastifyRequest, reply: FastifyReply, personId: string): Promise<void>;
  /** Counts a refusal for the audit log. */
  refuse(request: FastifyRequest, error: SondeError): void;
  close(): Promise<void>;
};

export function createSignIn(
  hub: Pick<Hub, "auditLog" | "now" | "elapsed" | "report">,
  uses: { people: PersonStore; passwords: Passwords; cookies: Cookies; vault: Vault },
): SignIn {
  const { people, passwords, cookies, vault } = uses;
  const refusals = createRefusalCounts({ event: "sign-in.refused", ...hub });
  const addresses = createRateLimit(GUESSES, hub.elapsed);
  const devices = createRateLimit(GUESSES, hub.elapsed);
  const noSecret = Buffer.alloc(TOTP_SECRET_BYTES);

  /** The browser's name among those of the person; null for a browser that the person never used. */
  const readDevice = (request: FastifyRequest, account: Account | null): string | null => {
    const sealed = cookies.read(request, "device");
    const device = vault.open("device", sealed, hub.now());
    const isOwn = account !== null && device?.["person"] === account.id;
    return isOwn && typeof device["device"] === "string" ? device["device"] : null;
  };

  /**
   * Strangers share the limits of their address and of the account. A browser that the person has
   * used has limits of its own, so that nobody can lock its person out.
   */
  const takeTurn = (request: FastifyRequest, device: string | null): void => {
    const waitMs = device === null ? addresses.take(request.ip) : devices.take(device);
    if (waitMs === 0) return;
    throw new SondeError(
      "TOO_MANY_ATTEMPTS",
      `expected at most ${GUESSES.perMinute} attempts a minute, wait ${Math.ceil(waitMs / 1000)} s`,
    );
  };

  /** Uses up the code. @returns by what it is right; null for a wrong one */
  async function useCode(account: Account, code: string): Promise<SignInMethod | null> {
    const recovery = readRecoveryCode(code);
    if (recovery !== null) {
      return (await people.useRecoveryCode(account.id, recovery)) ? "recovery-code" : null;
    }
    const opened = vault.open(`totp ${account.id}`, account.totpSealed ?? undefined, hub.now());
    const text = opened?.["secret"];
    const secret = typeof text === "string" ? Buffer.from(text, "base64url") : noSecret;
    const step = findStep(secret, code, { now: hub.now(), after: account.totpStep });
    if (typeof text !== "string" || step === null) return null;
    return (await people.useStep(account.id, step)) ? "totp" : null;
  }

  return {
    async byPassword(request, { name, password, code }) {
      const account = await people.findAccount(name);
      const device = readDevice(request, account);
      takeTurn(request, device);
      const at = hub.now();
      const counts =
        device !== null ||
        (account !== null && mayGuess(account, at) && (await people.takeGuess(account, at)));
      const isRight = await passwords.isRight(
        account?.passwordHash ?? null,
        password,
        device === null ? "stranger" : "known",
      );
      if (account !== null && counts && isRight && !account.disabled) {
        const by = await useCode(account, code);
        if (by !== null) return { id: account.id, methods: ["password", by] };
      }
      throw new SondeError(
        "SIGN_IN_REFUSED",
        "expected the name, the password and an unused code of one person",
      );
    },
    async note(request, reply, personId) {
      const at = hub.now();
      await people.noteSignIn(personId, at);
      const value = vault.seal(
        "device",
        { person: personId, device: request.id },
        new Date(at.getTime() + DEVICE_MS),
      );
      cookies.set(request, reply, { name: "device", value, maxAgeMs: DEVICE_MS });
    },
    refuse(request, { code }) {
      refusals.add(request.ip, code);
    },
    close: () => refusals.close(),
  };
}
