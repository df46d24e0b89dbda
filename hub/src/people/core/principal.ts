import type { PersonRole } from "@sonde/schemas/people";
import {
  createPrincipal,
  type Holder,
  type PolicyBook,
  type Principal,
} from "../../identity/index.ts";

/** The holder of policies that a person is. */
export function holderOfPerson({ id, role }: { id: string; role: PersonRole }): Holder {
  return { id: `person:${id}`, role };
}

/** Whoever asks, as the hub's one decision about rights takes it. */
export function principalOf(
  book: PolicyBook,
  person: { id: string; name: string; role: PersonRole },
): Principal {
  const holder = holderOfPerson(person);
  return createPrincipal(book, { id: holder.id, name: person.name }, [holder]);
}
