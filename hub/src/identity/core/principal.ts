import { createHash } from "node:crypto";
import { toSondeError } from "@sonde/schemas/errors";
import type { KeyPolicy } from "@sonde/schemas/hub";
import type { Policy, PolicyRef, Role } from "@sonde/schemas/policy";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { AccessGrant, Principal } from "./authorize.ts";
import { type CompiledPolicy, compilePolicy, refuseAll } from "./compile-policy.ts";

/** How a policy without a name is called in its rules. */
const OWN = "own";

/** The policies that have names, and who holds one: as this hub has them in memory. */
export type PolicyBook = {
  /** By name. */
  policies(): ReadonlyMap<string, Policy>;
  /** By the id of the subject. */
  holders(): ReadonlyMap<string, PolicyRef>;
};

/** A subject whose rights count: the one that asks, or the person for whom a client asks. */
export type Holder = {
  /** As `subject.id` has it. */
  id: string;
  role: Role;
  /** What it was made with; a policy that it holds narrows it further. */
  made?: Policy;
  /**
   * What it held when it was read from the database. A hub hears of changes a moment later than
   * that, and nobody gets in unnarrowed meanwhile.
   */
  held?: PolicyRef | null;
};

/**
 * Builds the principal of a subject. Its grants are always those of the present policies: who keeps
 * it hears of no change, and needs none. `asOfNow` gives one that stays the same.
 *
 * @param holders the subject, and for an OAuth client its person: all of them must allow
 */
export function createPrincipal(
  book: PolicyBook,
  subject: Principal["subject"],
  holders: readonly Holder[],
): Principal {
  let held: (Held | null)[] | null = null;
  let grants: AccessGrant[] = [];
  let stated: Pick<Principal, "policyText" | "policyHash"> | null = null;
  /** Looks up what is held at each use, and compiles only what is new. */
  const refresh = (): void => {
    if (held?.every((last, index) => isSame(last, find(book, holders[index]))) === true) return;
    held = holders.map((holder) => find(book, holder));
    grants = holders.map((holder, index) => grantOf(holder, held?.[index] ?? null));
    stated = null;
  };
  const state = () => {
    refresh();
    stated ??= statePolicy(grants);
    return stated;
  };
  return {
    subject,
    get grants() {
      refresh();
      return grants;
    },
    get policyText() {
      return state().policyText;
    },
    get policyHash() {
      return state().policyHash;
    },
  };
}

/** The holder that a key is: its own lists are exact names. */
export function holderOfKey(
  id: string,
  { role, agents, probes }: KeyPolicy,
  held: PolicyRef | null = null,
): Holder {
  return {
    ...{ id, held },
    // A key's `operator` is older than the roles of people: it may make keys, and so is an admin.
    role: role === "operator" ? "admin" : role,
    made: {
      ...(agents !== "*" && { agents: { allow: agents } }),
      ...(probes !== "*" && { tools: { allow: probes } }),
    },
  };
}

/** What a subject holds: `policy` is null for a name that no policy has. */
type Held = { name: string; policy: Policy | null };

function find(book: PolicyBook, holder: Holder | undefined): Held | null {
  if (holder === undefined) return null;
  const ref = book.holders().get(holder.id) ?? holder.held ?? null;
  if (ref === null) return null;
  if (!("name" in ref)) return { name: OWN, policy: ref };
  return { name: ref.name, policy: book.policies().get(ref.name) ?? null };
}

function isSame(one: Held | null, other: Held | null): boolean {
  return one?.name === other?.name && one?.policy === other?.policy;
}

function grantOf({ id, role, made }: Holder, held: Held | null): AccessGrant {
  const policies: CompiledPolicy[] = [];
  if (made !== undefined) policies.push(compileOnce(OWN, made));
  if (held !== null) {
    const { name, policy } = held;
    policies.push(policy === null ? refuseAll(name, "is not there") : compileOnce(name, policy));
  }
  return { holder: id, role, policies };
}

const compiledOf = new WeakMap<Policy, { name: string; policy: CompiledPolicy }>();

/** A policy of memory is compiled at its first use, and never again while it is the same. */
function compileOnce(name: string, policy: Policy): CompiledPolicy {
  const known = compiledOf.get(policy);
  if (known?.name === name) return known.policy;
  let compiled: CompiledPolicy;
  try {
    compiled = compilePolicy(name, policy);
  } catch (thrown) {
    // Another hub of a later release may have stored it. What is not understood allows nothing.
    compiled = refuseAll(name, `is not understood: ${toSondeError(thrown).message}`);
  }
  compiledOf.set(policy, { name, policy: compiled });
  return compiled;
}

/** Each grant as its role, followed by the name and the text of each policy that narrows it. */
function statePolicy(grants: readonly AccessGrant[]): Pick<Principal, "policyText" | "policyHash"> {
  const policyText = canonicalJson(
    grants.map(({ role, policies }) => [
      role,
      ...policies.map(({ name, document }) => [name, document]),
    ]),
  );
  const sha256 = createHash("sha256").update(policyText).digest("hex");
  return { policyText, policyHash: `sha256:${sha256}` };
}
