import type { Me } from "@sonde/schemas/people";
import { SondeError } from "@sonde/schemas/errors";
import type { Sql, TransactionSql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";
import {
  insertPasskey,
  type NewPasskey,
  type PasswordCredential,
  setPassword,
} from "./write-credential.ts";

type StoredPasskey = { personId: string; publicKey: Buffer; counter: number; disabled: boolean };
type Row = {
  hasPassword: boolean;
  recoveryCodes: number;
  issuer: string | null;
};
type Passkey = {
  id: string;
  name: string | null;
  host: string;
  createdAt: Date;
  usedAt: Date | null;
};

/** Stores how a person signs in. */
export function createCredentialStore(sql: Sql, directory: Pick<Directory, "change">) {
  const change = (id: string, work: (tx: TransactionSql) => Promise<void>) =>
    directory.change([{ kind: "person", id }], work);

  return {
    async read(
      personId: string,
    ): Promise<Pick<Me, "passkeys" | "hasPassword" | "recoveryCodes" | "issuer">> {
      const [row] = await sql<Row[]>`
        select password_hash is not null as "hasPassword", sso_issuer as issuer,
          (select count(*)::int from recovery_codes where person_id = p.id) as "recoveryCodes"
        from people p where id = ${personId}`;
      const passkeys = await sql<Passkey[]>`
        select id, name, host, created_at as "createdAt", used_at as "usedAt"
        from passkeys where person_id = ${personId} order by created_at, id`;
      return {
        ...(row ?? { hasPassword: false, recoveryCodes: 0, issuer: null }),
        passkeys: passkeys.map(({ createdAt, usedAt, ...passkey }) => ({
          ...passkey,
          createdAt: createdAt.toISOString(),
          usedAt: usedAt?.toISOString() ?? null,
        })),
      };
    },
    async findPasskey(id: string): Promise<StoredPasskey | null> {
      const [row] = await sql<StoredPasskey[]>`
        select k.person_id as "personId", k.public_key as "publicKey", k.counter::float8 as counter,
          p.disabled_at is not null as disabled
        from passkeys k join people p on p.id = k.person_id where k.id = ${id}`;
      return row ?? null;
    },
    /** @returns false when its counter went back meanwhile, as that of a copy does */
    async usePasskey(id: string, counter: number, at: Date): Promise<boolean> {
      const used = await sql`update passkeys set counter = ${counter}, used_at = ${at}
        where id = ${id} and (counter < ${counter} or (counter = 0 and ${counter} = 0)) returning 1`;
      return used.length === 1;
    },
    /** @returns false when the challenge was used before */
    async useChallenge(
      challenge: string,
      { at, until }: { at: Date; until: Date },
    ): Promise<boolean> {
      await sql`delete from used_challenges where expires_at <= ${at}`;
      const used = await sql`insert into used_challenges (challenge_sha256, expires_at)
        values (${hashSecret(challenge)}, ${until}) on conflict do nothing returning 1`;
      return used.length === 1;
    },
    /** @throws SondeError BAD_REQUEST when the passkey is of somebody already */
    async addPasskey(personId: string, passkey: NewPasskey, at: Date): Promise<void> {
      await change(personId, (tx) => insertPasskey(tx, personId, passkey, at));
    },
    async setPassword(personId: string, password: PasswordCredential): Promise<void> {
      await change(personId, (tx) => setPassword(tx, personId, password));
    },
    /**
     * Removes a passkey, or the password with its second factor.
     *
     * @param passkey null for the password
     * @throws SondeError NOT_FOUND
     * @throws SondeError LAST_CREDENTIAL when the person could not sign in any more
     */
    async remove(personId: string, passkey: string | null): Promise<void> {
      await change(personId, async (tx) => {
        // Locked, so that two removals at once cannot both leave the other one's credential.
        await tx`select 1 from people where id = ${personId} for update`;
        const removed =
          passkey === null
            ? await tx`update people set password_hash = null, totp_sealed = null, totp_step = null
                where id = ${personId} and password_hash is not null returning 1`
            : await tx`delete from passkeys
                where id = ${passkey} and person_id = ${personId} returning 1`;
        if (removed.length === 0)
          throw new SondeError("NOT_FOUND", "expected a credential of yours");
        if (passkey === null) await tx`delete from recovery_codes where person_id = ${personId}`;
        const left = await tx`select 1 from people p where id = ${personId} and (
          password_hash is not null or sso_issuer is not null
          or exists (select 1 from passkeys k where k.person_id = p.id))`;
        if (left.length > 0) return;
        throw new SondeError("LAST_CREDENTIAL", "expected another way to sign in, got none");
      });
    },
  };
}
export type CredentialStore = ReturnType<typeof createCredentialStore>;
