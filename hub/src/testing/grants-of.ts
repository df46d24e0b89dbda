import type { KeyPolicy } from "@sonde/schemas/hub";
import { type AccessGrant, createPrincipal, holderOfKey } from "../identity/index.ts";

const BOOK = { policies: () => new Map(), holders: () => new Map() };

/** The grants of a key with that policy, which holds no other. */
export function grantsOf(policy: KeyPolicy): readonly AccessGrant[] {
  const id = "key:1";
  return createPrincipal(BOOK, { id, name: "test" }, [holderOfKey(id, policy)]).grants;
}
