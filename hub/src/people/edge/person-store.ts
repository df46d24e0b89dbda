import { SondeError } from "@sonde/schemas/errors";
import type { PersonRole, PersonSummary } from "@sonde/schemas/people";
import type { Sql, TransactionSql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";
import { makerInForce } from "../../identity/index.ts";
import { endsOwner } from "../core/account-rules.ts";
import {
  insertPasskey,
  type NewPasskey,
  type PasswordCredential,
  setPassword,
} from "./write-credential.ts";

type Subject = { id: string; name: string; role: PersonRole; disabled: boolean };
/** One person: by id, or by what single sign-on calls them. */
type Chosen = { id: string } | { issuer: string; subject: string };

/** What the hub compares at a sign-in with a password. */
export type Account = {
  id: string;
  name: string;
  role: PersonRole;
  disabled: boolean;
  passwordHash: string | null;
  totpSealed: string | null;
  totpStep: number | null;
  failures: number;
  failedAt: Date | null;
};

/** How a new person signs in. */
export type Credential =
  | { kind: "password"; password: PasswordCredential }
  | { kind: "passkey"; passkey: NewPasskey }
  | { kind: "sso"; issuer: string; subject: string };

export type NewPerson = {
  id: string;
  name: string;
  role: PersonRole;
  createdBy: string | null;
  at: Date;
  credential: Credential;
};

/** Stores people and how they sign in. Every hub hears of a changed person. */
export function createPersonStore(sql: Sql, directory: Pick<Directory, "change">) {
  const change = <T>(id: string, work: (tx: TransactionSql) => Promise<T>) =>
    directory.change([{ kind: "person", id }], work);

  const summarize = async (id: string | null): Promise<PersonSummary[]> => {
    const rows = await sql<
      (Omit<PersonSummary, "createdAt" | "signedInAt"> & {
        createdAt: Date;
        signedInAt: Date | null;
      })[]
    >`
      select p.id, p.name, p.role, p.disabled_at is not null as disabled,
        p.created_at as "createdAt", p.created_by as "createdBy", p.signed_in_at as "signedInAt",
        (select count(*)::int from passkeys k where k.person_id = p.id) as passkeys,
        p.password_hash is not null as "hasPassword", p.sso_issuer as issuer
      from people p ${id === null ? sql`` : sql`where p.id = ${id}`} order by p.name`;
    return rows.map((row) => ({
      ...row,
      createdAt: row.createdAt.toISOString(),
      signedInAt: row.signedInAt?.toISOString() ?? null,
    }));
  };

  /** Who a person is now, also one who is disabled; null for one who is gone. */
  const find = async (by: Chosen): Promise<Subject | null> => {
    const chosen =
      "id" in by
        ? sql`id = ${by.id}`
        : sql`sso_issuer = ${by.issuer} and sso_subject = ${by.subject}`;
    const [row] = await sql<Subject[]>`
      select id, name, role, disabled_at is not null as disabled from people where ${chosen}`;
    return row ?? null;
  };

  return {
    list: () => summarize(null),
    /** @throws SondeError NOT_FOUND */
    async read(id: string): Promise<PersonSummary> {
      const [person] = await summarize(id);
      if (person !== undefined) return person;
      throw new SondeError("NOT_FOUND", "expected the id of a person");
    },
    async hasOwner(): Promise<boolean> {
      const rows = await sql`select 1 from people
        where role = 'owner' and disabled_at is null limit 1`;
      return rows.length > 0;
    },
    async isNameTaken(name: string): Promise<boolean> {
      return (await sql`select 1 from people where name = ${name}`).length > 0;
    },
    find,
    /** The same; null also for one who is disabled. */
    async findInForce(by: Chosen): Promise<Omit<Subject, "disabled"> | null> {
      const found = await find(by);
      if (found === null || found.disabled) return null;
      const { id, name, role } = found;
      return { id, name, role };
    },
    async findAccount(name: string): Promise<Account | null> {
      const [row] = await sql<Account[]>`
        select id, name, role, disabled_at is not null as disabled,
          password_hash as "passwordHash", totp_sealed as "totpSealed",
          totp_step::float8 as "totpStep", failures, failed_at as "failedAt"
        from people where name = ${name}`;
      return row ?? null;
    },
    /**
     * Makes the person of a link, which is used up by it. Once there is an owner, the links that the
     * hub itself gave for one end too.
     *
     * @param link the hash of its secret
     * @throws SondeError LINK_REFUSED when the link is not usable any more
     * @throws SondeError NAME_TAKEN
     */
    async join(person: NewPerson, link: string): Promise<void> {
      await change(person.id, async (tx) => {
        const used = await tx`delete from person_links
          where secret_sha256 = ${link} and expires_at > ${person.at}
            and ${makerInForce(tx, "person_links.created_by")} returning 1`;
        if (used.length === 0) throw new SondeError("LINK_REFUSED", "expected a link in force");
        await insertPerson(tx, person);
      });
    },
    /** Makes a person who comes from single sign-on. @throws SondeError NAME_TAKEN */
    add: (person: NewPerson) => change(person.id, (tx) => insertPerson(tx, person)),
    /**
     * Changes role or state.
     *
     * @param next null to delete the person
     * @throws SondeError LAST_OWNER, NOT_FOUND
     */
    async change(
      id: string,
      next: { role: PersonRole; disabled: boolean } | null,
      at: Date,
    ): Promise<void> {
      await change(id, async (tx) => {
        // Locked whole: two owners who remove each other at once must not both succeed.
        await tx`lock table people in share row exclusive mode`;
        const [before] = await tx<{ role: PersonRole; disabled: boolean }[]>`
          select role, disabled_at is not null as disabled from people where id = ${id}`;
        if (before === undefined) throw new SondeError("NOT_FOUND", "expected the id of a person");
        if (endsOwner(before, next)) {
          const others = await tx`select 1 from people
            where role = 'owner' and disabled_at is null and id <> ${id} limit 1`;
          if (others.length === 0) {
            throw new SondeError("LAST_OWNER", "expected another owner who stays, got none");
          }
        }
        if (next === null) await tx`delete from people where id = ${id}`;
        else {
          await tx`update people set role = ${next.role},
            disabled_at = case when ${next.disabled} then coalesce(disabled_at, ${at}) end
            where id = ${id}`;
        }
        // Rights changed, so whoever is signed in signs in again under a new id.
        await tx`delete from person_sessions where person_id = ${id}`;
        await tx`delete from person_links where created_by = ${`person:${id}`}`;
      });
    },
    /**
     * Counts a guess of an unknown browser before its password is compared. Of guesses that come at
     * once, one counts and the others are refused.
     */
    async takeGuess({ id, failures, failedAt }: Account, at: Date): Promise<boolean> {
      const taken = await sql`update people set failures = failures + 1, failed_at = ${at}
        where id = ${id} and failures = ${failures} and failed_at is not distinct from ${failedAt}
        returning 1`;
      return taken.length === 1;
    },
    /** Uses up a code of an app. @returns false when it or a later one was used before */
    async useStep(id: string, step: number): Promise<boolean> {
      const used = await sql`update people set totp_step = ${step}
        where id = ${id} and (totp_step is null or totp_step < ${step}) returning 1`;
      return used.length === 1;
    },
    /** Uses up a recovery code. @returns false when the person has no such code */
    async useRecoveryCode(id: string, code: string): Promise<boolean> {
      const used = await sql`delete from recovery_codes
        where person_id = ${id} and code_sha256 = ${hashSecret(code)} returning 1`;
      return used.length === 1;
    },
    async noteSignIn(id: string, at: Date): Promise<void> {
      await sql`update people set signed_in_at = ${at}, failures = 0, failed_at = null
        where id = ${id}`;
    },
  };
}
export type PersonStore = ReturnType<typeof createPersonStore>;

async function insertPerson(tx: TransactionSql, person: NewPerson): Promise<void> {
  const { id, name, role, createdBy, at, credential } = person;
  const sso = credential.kind === "sso" ? credential : { issuer: null, subject: null };
  const made = await tx`insert into people
    (id, name, role, created_at, created_by, sso_issuer, sso_subject)
    values (${id}, ${name}, ${role}, ${at}, ${createdBy}, ${sso.issuer}, ${sso.subject})
    on conflict do nothing returning 1`;
  if (made.length === 0) throw new SondeError("NAME_TAKEN", `the name ${name} is taken`);
  if (role === "owner") await tx`delete from person_links where created_by is null`;
  if (credential.kind === "password") await setPassword(tx, id, credential.password);
  if (credential.kind === "passkey") await insertPasskey(tx, id, credential.passkey, at);
}
