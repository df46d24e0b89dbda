import type { PolicyHolderId } from "@sonde/schemas/policy";
import type { Principal } from "./authorize.ts";

type Kind = "key" | "person" | "grant";

/** Finds the principal that a subject would be if it asked now; null when there is none in force. */
type Find = (id: string) => Promise<Principal | null>;

/** Every kind of subject that may hold a policy. Each is added by the feature that has it. */
export type Subjects = {
  add(kind: Kind, find: Find): void;
  /** @param subject as `subject.id` has it */
  find(subject: PolicyHolderId): Promise<Principal | null>;
};

export function createSubjects(): Subjects {
  const finds = new Map<string, Find>();
  return {
    add: (kind, find) => void finds.set(kind, find),
    async find(subject) {
      const [kind = "", id = ""] = subject.split(":");
      return (await finds.get(kind)?.(id)) ?? null;
    },
  };
}
