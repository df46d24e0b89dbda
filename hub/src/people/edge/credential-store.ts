import type { Me } from "@sonde/schemas/people";
import type { Sql } from "postgres";

type Row = {
  hasPassword: boolean;
  recoveryCodes: number;
  issuer: string | null;
};
type Passkey = { id: string; host: string; createdAt: Date; usedAt: Date | null };

/** Stores how a person signs in. */
export function createCredentialStore(sql: Sql) {
  return {
    async read(
      personId: string,
    ): Promise<Pick<Me, "passkeys" | "hasPassword" | "recoveryCodes" | "issuer">> {
      const [row] = await sql<Row[]>`
        select password_hash is not null as "hasPassword", sso_issuer as issuer,
          (select count(*)::int from recovery_codes where person_id = p.id) as "recoveryCodes"
        from people p where id = ${personId}`;
      const passkeys = await sql<Passkey[]>`
        select id, host, created_at as "createdAt", used_at as "usedAt"
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
  };
}
export type CredentialStore = ReturnType<typeof createCredentialStore>;
