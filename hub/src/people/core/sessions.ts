import type { PersonRole, SignInMethod } from "@sonde/schemas/people";

const MINUTE_MS = 60_000;
/** From its sign-in, whatever happens. */
export const SESSION_MS = 12 * 60 * MINUTE_MS;
/** From the last request. */
export const IDLE_MS = 60 * MINUTE_MS;
/** How old a sign-in may be for a change of credentials or people. */
export const FRESH_MS = 10 * MINUTE_MS;
/** How exactly the last request is known. */
export const SEEN_EVERY_MS = MINUTE_MS;

/** A person who is signed in. */
export type SignedIn = {
  /** The person's id. */
  id: string;
  name: string;
  role: PersonRole;
  /** When the person last proved who they are. */
  authenticatedAt: Date;
  methods: SignInMethod[];
  sessionId: string;
};

/** A session as it is stored. */
export type Session = SignedIn & { seenAt: Date; expiresAt: Date };

export function isOver({ seenAt, expiresAt }: Session, now: Date): boolean {
  const time = now.getTime();
  return time >= expiresAt.getTime() || time >= seenAt.getTime() + IDLE_MS;
}

/** Whether the sign-in is recent enough for a change of credentials or people. */
export function isFresh({ authenticatedAt }: SignedIn, now: Date): boolean {
  return now.getTime() < authenticatedAt.getTime() + FRESH_MS;
}
