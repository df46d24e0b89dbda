import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "oauth",
    sql: `
      -- Clients that registered themselves (RFC 7591). Others are known by their metadata document.
      create table oauth_clients (
        id text primary key,
        metadata jsonb not null,
        registered_at timestamptz not null,
        registered_from text not null,
        used_at timestamptz
      );
      create index oauth_clients_registered_from on oauth_clients (registered_from, registered_at);
      -- What a person granted to a client: its tokens are one family and end together.
      create table oauth_grants (
        id uuid primary key,
        -- Stays when the person is deleted, so that every hub can end what they granted.
        person_id uuid not null,
        client_id text not null,
        client_name text not null,
        client_host text not null,
        resource text not null,
        scopes text[] not null,
        agents jsonb not null,
        granted_at timestamptz not null,
        used_at timestamptz,
        expires_at timestamptz not null,
        ended_at timestamptz,
        -- Why, and by which principal; null while it is in force.
        ended_because text,
        ended_by text
      );
      create index oauth_grants_person on oauth_grants (person_id);
      create index oauth_grants_client on oauth_grants (client_id);
      -- Codes, tokens and requests under way, by the hash of what their holder shows.
      create table oauth_items (
        model text not null,
        id_sha256 text not null,
        payload jsonb not null,
        grant_id uuid,
        user_code_sha256 text,
        consumed_at timestamptz,
        consumed_from text,
        expires_at timestamptz not null,
        primary key (model, id_sha256)
      );
      create index oauth_items_grant on oauth_items (grant_id);
      create index oauth_items_user_code on oauth_items (user_code_sha256);
      create index oauth_items_expires_at on oauth_items (expires_at);
      -- Ids of assertions that were used, until they expire: each counts once (RFC 7523, 3).
      create table oauth_assertions (
        issuer text not null,
        jti_sha256 text not null,
        expires_at timestamptz not null,
        primary key (issuer, jti_sha256)
      );`,
  },
  {
    name: "oauth-refused-clients",
    sql: `
      -- Clients that the allow-list refused lately, for a person who decides whether they may come.
      create table oauth_refused_clients (
        id uuid primary key,
        -- The member of oauth.clients that would have to name the value.
        member text not null,
        value text not null,
        client_name text,
        refused_from text,
        refused_at timestamptz not null,
        times integer not null,
        unique (member, value)
      );`,
  },
];
