import type { FastifyRequest } from "fastify";
import type { Hub } from "../hub.ts";
import { createCredentialStore } from "./edge/credential-store.ts";
import { createLinkStore } from "./edge/link-store.ts";
import { giveLink } from "./edge/links.ts";
import { addMeRoutes } from "./edge/me-routes.ts";
import { addPageRoutes } from "./edge/page-routes.ts";
import { addPasskeyRoutes } from "./edge/passkey-routes.ts";
import { createPasskeys } from "./edge/passkeys.ts";
import { readScript } from "./edge/read-script.ts";
import { addPeopleRoutes } from "./edge/people-routes.ts";
import { createCookies } from "./edge/cookies.ts";
import { createPasswords } from "./edge/passwords.ts";
import { createPersonStore } from "./edge/person-store.ts";
import { createSessionStore } from "./edge/session-store.ts";
import { createSessions, type Sessions } from "./edge/sessions.ts";
import { createSignIn } from "./edge/sign-in.ts";
import { watchReset } from "./edge/watch-reset.ts";
import { createSingleSignOn } from "./edge/single-sign-on.ts";
import { createVault } from "./edge/vault.ts";
import { principalOf } from "./core/principal.ts";
import type { SignedIn } from "./core/sessions.ts";
import type { Subjects } from "../identity/index.ts";

export { holderOfPerson, principalOf } from "./core/principal.ts";
export type { SignedIn } from "./core/sessions.ts";
export { acceptForms } from "./edge/form.ts";
export { renderAlert, renderPage, renderRefusal } from "./edge/layout.ts";
export type { Sessions } from "./edge/sessions.ts";
export { migrations } from "./migrations.ts";

export type People = {
  /**
   * The person whose browser sends a request, for pages and for interactions of OAuth. Without one,
   * a page sends the browser to `/login?next=PATH`.
   *
   * @returns null when nobody is signed in
   */
  signedIn(request: FastifyRequest): Promise<SignedIn | null>;
  /** @throws SondeError ORIGIN_REFUSED for a request that no page of this hub sent */
  requireSameOrigin(request: FastifyRequest): void;
  /** @throws SondeError SIGN_IN_AGAIN when the person's sign-in is older than ten minutes */
  requireFresh(request: FastifyRequest): Promise<void>;
  /**
   * Gives a one-time link for the first owner, as long as there is no owner.
   *
   * @returns the link's path; null when there is an owner
   */
  giveFirstLink(): Promise<string | null>;
  /** How many sessions are in force. */
  countSessions(): Promise<number>;
};

type Opened = Pick<Hub, "sql" | "directory" | "auditLog" | "now" | "config">;

/** Opens the sessions of people, for the guard that stands before every feature. */
export function openSessions(hub: Opened): Sessions {
  return createSessions(hub, createSessionStore(hub.sql, hub.directory), createCookies(hub.config));
}

/** Who a person is now, for whoever acts for them; null for one who is gone or disabled. */
export type FindPerson = (
  by: { id: string } | { issuer: string; subject: string },
) => Promise<Pick<SignedIn, "id" | "name" | "role"> | null>;

export function openPeople(hub: Pick<Opened, "sql" | "directory">): FindPerson {
  const people = createPersonStore(hub.sql, hub.directory);
  return (by) => people.findInForce(by);
}

/**
 * Installs accounts. Whoever is deleted, disabled or has other rights is signed out at every hub.
 *
 * @param uses.dismiss ends a principal's open streams
 */
export function installPeople(
  hub: Hub,
  uses: {
    sessions: Sessions;
    subjects: Pick<Subjects, "add">;
    dismiss: (principalId: string) => Promise<void>;
  },
): People {
  const { sessions } = uses;
  const people = createPersonStore(hub.sql, hub.directory);
  const links = createLinkStore(hub.sql);
  const cookies = createCookies(hub.config);
  const vault = createVault(hub.keys.deriveSecret("sonde people v1"));
  const passwords = createPasswords();
  const signIn = createSignIn(hub, { people, passwords, cookies, vault });
  const { auditLog, now } = hub;
  const sessionStore = createSessionStore(hub.sql, hub.directory);
  addPeopleRoutes(hub, { people, links, sessions, sessionStore, cookies });
  const credentials = createCredentialStore(hub.sql, hub.directory);
  const passkeys = createPasskeys(hub, { cookies, vault, credentials });
  const ports = { auditLog, now, people, links, passwords, vault, sessions, signIn, passkeys };
  addMeRoutes(hub, { ...ports, credentials, sessionStore });
  addPasskeyRoutes(hub, ports);
  const { sso } = hub.config;
  addPageRoutes(hub, {
    ...ports,
    script: readScript(process.argv[1] ?? ""),
    sso:
      sso === undefined
        ? null
        : { name: sso.name, signOn: createSingleSignOn(hub, sso, { cookies, vault }) },
  });
  hub.directory.onChange(({ kind, id }) => {
    if (kind !== "person" && kind !== "session") return;
    sessions.forget(kind, id);
    if (kind === "person") uses.dismiss(`person:${id}`).catch(hub.report);
  });
  uses.subjects.add("person", async (id) => {
    const person = await people.findInForce({ id });
    return person === null ? null : principalOf(hub.directory, person);
  });
  hub.onStop(watchReset(hub, links));
  hub.onStop(() => signIn.close());
  return {
    signedIn: (request) => sessions.signedIn(request),
    requireSameOrigin: (request) => sessions.requireSameOrigin(request),
    requireFresh: (request) => sessions.requireFresh(request),
    countSessions: () => sessionStore.count(now()),
    async giveFirstLink() {
      if (await people.hasOwner()) return null;
      return (await giveLink(hub, links, { role: "owner", createdBy: null })).path;
    },
  };
}
