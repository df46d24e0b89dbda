import { takeLock } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { refreshToken } from "./oauth.ts";
import {
  type ChosenProfile,
  findProfile,
  readProfiles,
  type Token,
  writeProfiles,
} from "./profiles.ts";

/** A token that ends sooner might end on the way. */
const MARGIN_MS = 30_000;
/** How long another command may take to fetch the next token. */
const WAIT_SECONDS = 30;

/**
 * The secret of each request of a profile: its key, or the access token of a sign-in. One that ends is
 * replaced, and the next is kept. Commands that run at once take turns: a refresh token that is used
 * twice ends the sign-in.
 *
 * @returns throws SondeError UNAUTHENTICATED when the sign-in has ended
 */
export function createBearer(
  { name, file, profile }: ChosenProfile,
  now: () => Date = () => new Date(),
): () => Promise<string> {
  if ("key" in profile) return () => Promise.resolve(profile.key);
  let token = profile.token;
  const isGood = ({ expiresAt }: Token): boolean =>
    Date.parse(expiresAt) - now().getTime() > MARGIN_MS;
  const renew = async (): Promise<Token> => {
    // Another command may have fetched it meanwhile.
    const kept = findProfile(file, name);
    if (!("token" in kept) || kept.hub !== profile.hub) throw signInEnded(name, profile.hub);
    if (isGood(kept.token)) return kept.token;
    const next = await refreshToken(kept, kept.token.refresh, now);
    if (next === null) throw signInEnded(name, profile.hub);
    const { current, profiles } = readProfiles(file);
    writeProfiles(file, { current, profiles: { ...profiles, [name]: { ...kept, token: next } } });
    return next;
  };
  /** Of this process one at a time: the lock is for other processes, and would wait for itself. */
  let renewing: Promise<Token> | null = null;
  const takeTurn = async (): Promise<Token> => {
    const release = takeLock(`${file}.lock`, WAIT_SECONDS);
    if (release === null) {
      throw new SondeError(
        "REQUEST_RUNNING",
        "another command has been fetching the next token for 30 s",
      );
    }
    try {
      return await renew();
    } finally {
      release();
    }
  };
  return async () => {
    if (isGood(token)) return token.access;
    renewing ??= takeTurn().finally(() => {
      renewing = null;
    });
    token = await renewing;
    return token.access;
  };
}

function signInEnded(name: string, hub: string): SondeError {
  return new SondeError(
    "UNAUTHENTICATED",
    `the sign-in of profile ${name} has ended; to sign in again: sonde login --hub ${hub} --profile ${name} --device`,
  );
}
