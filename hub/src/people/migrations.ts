import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "people",
    sql: `
      create table people (
        id uuid primary key,
        name text not null unique,
        role text not null,
        created_at timestamptz not null,
        -- The principal that gave the link; null for the hub itself.
        created_by text,
        disabled_at timestamptz,
        signed_in_at timestamptz,
        -- Argon2id in the form of its reference: a hash that cannot be turned back.
        password_hash text,
        -- Sealed, since a code is computed from the secret itself.
        totp_sealed text,
        -- The time step of the last code that was accepted: each counts once.
        totp_step bigint,
        -- Refused passwords and codes of browsers that the person never used, since the last right one.
        failures integer not null default 0,
        failed_at timestamptz,
        sso_issuer text,
        sso_subject text,
        unique (sso_issuer, sso_subject)
      );
      create table passkeys (
        id text primary key,
        person_id uuid not null references people on delete cascade,
        public_key bytea not null,
        counter bigint not null,
        transports text[] not null,
        -- The relying party: a host name. A browser offers the passkey at this one only.
        host text not null,
        created_at timestamptz not null,
        used_at timestamptz
      );
      create index passkeys_of_person on passkeys (person_id);
      create table recovery_codes (
        code_sha256 text primary key,
        person_id uuid not null references people on delete cascade
      );
      create index recovery_codes_of_person on recovery_codes (person_id);
      -- Challenges of passkeys that were answered, until they expire: each counts once.
      create table used_challenges (
        challenge_sha256 text primary key,
        expires_at timestamptz not null
      );
      create table person_links (
        id uuid primary key,
        secret_sha256 text not null unique,
        role text not null,
        created_at timestamptz not null,
        created_by text,
        expires_at timestamptz not null
      );
      create table person_sessions (
        id uuid primary key,
        secret_sha256 text not null unique,
        person_id uuid not null references people on delete cascade,
        methods text[] not null,
        created_at timestamptz not null,
        seen_at timestamptz not null,
        expires_at timestamptz not null,
        address text not null,
        browser text not null
      );
      create index sessions_of_person on person_sessions (person_id);`,
  },
  {
    name: "passkey-names",
    sql: `
      -- What the person calls it; null for one that came with the account.
      alter table passkeys add column name text;`,
  },
];
