/** Begins every access token, so that it is told from a key, and found where it does not belong. */
export const ACCESS_TOKEN_PREFIX = "sonde_at_";
