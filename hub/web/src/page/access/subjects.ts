import type { ApiKeySummary } from "@sonde/schemas/hub";
import type { OAuthGrantList } from "@sonde/schemas/oauth";
import type { PersonSummary } from "@sonde/schemas/people";
import { ask, askAll } from "../api.ts";
import { useLive, useRight } from "../live.ts";
import { useRead } from "../parts.tsx";

/** Whoever may hold a policy and is in force: a person, a key, or what a person granted to a client. */
export type Subject = {
  /** `person:<id>`, `key:<id>` or `grant:<id>`. */
  id: string;
  name: string;
};

/** Those of whom one may know, sorted; null until they were read. */
export function useSubjects(): readonly Subject[] | null {
  const { people, keys, clients } = useLive(({ versions }) => versions);
  const [mayPeople, mayKeys, mayGrants] = [
    useRight("people.read"),
    useRight("keys.read"),
    useRight("oauth.read"),
  ];
  const { value } = useRead(async () => {
    const lists = await Promise.all([
      mayPeople ? listPeople() : [],
      mayKeys ? listKeys() : [],
      mayGrants ? listGrants() : [],
    ]);
    return lists.flat();
  }, [people, keys, clients, mayPeople, mayKeys, mayGrants]);
  return value;
}

async function listPeople(): Promise<Subject[]> {
  const people = await askAll<PersonSummary>("/people", "people");
  return people
    .filter(({ disabled }) => !disabled)
    .map(({ id, name }) => ({ id: `person:${id}`, name: `${name} (person)` }));
}

async function listKeys(): Promise<Subject[]> {
  const keys = await askAll<ApiKeySummary>("/api-keys", "keys");
  return keys
    .filter(({ revokedAt }) => revokedAt === null)
    .map(({ id, name }) => ({ id: `key:${id}`, name: `${name} (key)` }));
}

async function listGrants(): Promise<Subject[]> {
  const { grants } = await ask<OAuthGrantList>("GET", "/oauth/grants");
  return grants
    .filter(({ endedAt, expiresAt }) => endedAt === null && Date.parse(expiresAt) > Date.now())
    .map(({ id, client, person }) => ({
      id: `grant:${id}`,
      name: `${client.host} for ${person.name} (client)`,
    }));
}
