import { SondeError } from "@sonde/schemas/errors";
import { type PackName, type PublisherName } from "@sonde/schemas/names";
import { PUBLISH_ACTIONS, type PublishAction, type PublisherRole } from "@sonde/schemas/registry";

/** Every right: to change the registry, or to read its list of tokens. */
export type Right = PublishAction | "quarantine" | "publishers" | "import";
export const RIGHTS: readonly Right[] = [...PUBLISH_ACTIONS, "quarantine", "publishers", "import"];

export function isRight(value: string): value is Right {
  return RIGHTS.some((right) => right === value);
}

/** An authenticated caller: the holder of a token, or the operator. */
export type Principal =
  | { role: "operator" }
  | {
      role: PublisherRole;
      /** Id of the token. */
      id: string;
      publisher: PublisherName;
      /** The token's only pack; null for all of the publisher's packs. */
      pack: PackName | null;
      actions: readonly PublishAction[];
      expiresAt: Date;
    };

/** What a request is about, from its path. Null where the path names none. */
export type Target = { publisher: string | null; pack: string | null };

/** Rights of each role. A token may narrow them further. */
const ROLES: Record<Principal["role"], ReadonlySet<Right>> = {
  operator: new Set<Right>(["publishers", "tokens", "advisory", "quarantine", "import"]),
  owner: new Set<Right>(PUBLISH_ACTIONS),
  maintainer: new Set<Right>(["publish", "yank", "deprecate"]),
  ci: new Set<Right>(["publish"]),
};

/** Returns the roles that have a right. */
export function rolesFor(right: Right): Principal["role"][] {
  return (Object.keys(ROLES) as Principal["role"][]).filter((role) => ROLES[role].has(right));
}

/** Returns all actions that a token of this role may have. */
export function actionsOf(role: PublisherRole): PublishAction[] {
  return PUBLISH_ACTIONS.filter((action) => ROLES[role].has(action));
}

/**
 * Decides whether a caller has a right. Pure. Every route but the public ones calls it before the
 * body is read.
 *
 * @throws SondeError FORBIDDEN
 */
export function authorize(principal: Principal, right: Right, target: Target): void {
  if (!ROLES[principal.role].has(right)) {
    throw refusal(`a token of role ${principal.role} may not do ${right}`);
  }
  if (principal.role === "operator") return;
  if (!principal.actions.some((allowed) => allowed === right)) {
    throw refusal(`this token may not do ${right}`);
  }
  if (principal.publisher !== target.publisher) {
    throw refusal(`this token is for publisher ${principal.publisher} alone`);
  }
  if (principal.pack !== null && principal.pack !== target.pack) {
    throw refusal(`this token is for pack ${principal.pack} alone`);
  }
}

/** What a new token would allow. */
export type Grant = {
  publisher: PublisherName;
  pack: PackName | null;
  role: PublisherRole;
  actions: readonly PublishAction[];
  expiresAt: Date;
};

/**
 * Checks that a new token allows no more than its role, and no more and no longer than the token
 * that makes it.
 *
 * @throws SondeError FORBIDDEN
 */
export function authorizeGrant(maker: Principal, grant: Grant): void {
  const { publisher, pack, role, actions, expiresAt } = grant;
  if (pack !== null && !pack.startsWith(`${publisher}/`)) {
    throw refusal(`${pack} is no pack of ${publisher}`);
  }
  const beyondRole = actions.find((action) => !ROLES[role].has(action));
  if (beyondRole !== undefined) throw refusal(`a token of role ${role} may not do ${beyondRole}`);
  if (maker.role === "operator") return;
  const beyondMaker = actions.find((action) => !maker.actions.includes(action));
  if (beyondMaker !== undefined) throw refusal(`this token may not do ${beyondMaker} itself`);
  if (expiresAt > maker.expiresAt) {
    throw refusal(`this token ends itself at ${maker.expiresAt.toISOString()}`);
  }
}

function refusal(reason: string): SondeError {
  return new SondeError("FORBIDDEN", `expected a right, got none: ${reason}`);
}
