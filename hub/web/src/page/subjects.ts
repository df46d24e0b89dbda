import type { ApiKeySummary } from "@sonde/schemas/hub";
import type { OAuthGrantList } from "@sonde/schemas/oauth";
import type { PersonSummary } from "@sonde/schemas/people";
import { useMemo } from "preact/hooks";
import { ask, askAll } from "./api.ts";
import { useLive, useRight } from "./live.ts";
import { useRead } from "./parts.tsx";

/** Whoever may ask and hold a policy: a person, a key, or what a person granted to a client. */
export type Subject = {
  /** `person:<id>`, `key:<id>` or `grant:<id>`. */
  id: string;
  name: string;
};
type Known = Subject & {
  kind: "person" | "key" | "client";
  /** False for one that may ask no more. The log still names it. */
  inForce: boolean;
};

/** Those in force of whom one may know, each with its kind in its name; null until they were read. */
export function useSubjects(): readonly Subject[] | null {
  const known = useKnown();
  return useMemo(() => {
    const inForce = known?.filter((one) => one.inForce);
    return inForce?.map(({ id, name, kind }) => ({ id, name: `${name} (${kind})` })) ?? null;
  }, [known]);
}

/** Names whoever asks or asked, as far as one may know them. */
export function useNames(): (subject: string) => string {
  const known = useKnown();
  return useMemo(() => {
    const names = new Map(known?.map(({ id, name }) => [id, name]));
    return (subject: string) => names.get(subject) ?? shorten(subject);
  }, [known]);
}

function useKnown(): readonly Known[] | null {
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

/** `key:0f3c2a1b`: enough to tell one from another. */
function shorten(subject: string): string {
  return subject.replace(/^([a-z]+:[0-9a-f]{8})-[0-9a-f-]{27}$/, "$1");
}

async function listPeople(): Promise<Known[]> {
  const people = await askAll<PersonSummary>("/people", "people");
  return people.map(({ id, name, disabled }) => ({
    ...{ id: `person:${id}`, name, kind: "person", inForce: !disabled },
  }));
}

async function listKeys(): Promise<Known[]> {
  const keys = await askAll<ApiKeySummary>("/api-keys", "keys");
  return keys.map(({ id, name, revokedAt }) => ({
    ...{ id: `key:${id}`, name, kind: "key", inForce: revokedAt === null },
  }));
}

async function listGrants(): Promise<Known[]> {
  const { grants } = await ask<OAuthGrantList>("GET", "/oauth/grants");
  return grants.map(({ id, client, person, endedAt, expiresAt }) => ({
    ...{ id: `grant:${id}`, name: `${client.host} for ${person.name}`, kind: "client" },
    inForce: endedAt === null && Date.parse(expiresAt) > Date.now(),
  }));
}
