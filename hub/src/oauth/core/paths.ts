/** Paths of the authorization server, below the hub's address. */
export const PATHS = {
  authorization: "/oauth/authorize",
  token: "/oauth/token",
  registration: "/oauth/register",
  revocation: "/oauth/revoke",
  device: "/oauth/device/code",
  consent: "/oauth/consent",
  verification: "/oauth/device",
} as const;
