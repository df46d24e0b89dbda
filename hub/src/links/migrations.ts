import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "links",
    sql: `
      -- Hubs that run on this database. Each renews its row every few seconds.
      create table hubs (
        id uuid primary key,
        seen_at timestamptz not null
      );

      -- The hub that holds the agent's connection. The epoch grows with each new holder.
      alter table agents add column link_hub uuid;
      alter table agents add column link_epoch bigint not null default 0;

      -- Questions and answers between hubs; the addressee deletes each. Unlogged, since a crash may
      -- lose them: the asking hub has a time limit.
      create unlogged table relayed (
        id bigint generated always as identity primary key,
        to_hub uuid not null,
        message text not null,
        at timestamptz not null default now()
      );

      create function tell_relayed() returns trigger language plpgsql as $$
      begin
        perform pg_notify('sonde_hub_relayed', new.to_hub || ' ' || new.id);
        return null;
      end $$;
      create trigger tell_relayed after insert on relayed for each row execute function tell_relayed();`,
  },
  {
    name: "links-process",
    sql: `
      -- The process that runs under the hub's name. A newer process takes the name over.
      alter table hubs add column process uuid;`,
  },
];
