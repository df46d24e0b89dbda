import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "links",
    sql: `
      -- Hubs that run on this database, each seen every few seconds.
      create table hubs (
        id uuid primary key,
        seen_at timestamptz not null
      );

      -- Whose connection an agent is; the epoch grows with each new holder.
      alter table agents add column link_hub uuid;
      alter table agents add column link_epoch bigint not null default 0;

      -- Questions and answers between hubs, each deleted by the hub that it is for. Not worth
      -- keeping through a crash: whoever waits for one gives up by itself.
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
      -- The process that runs under the hub's name; a newer one takes the name over.
      alter table hubs add column process uuid;`,
  },
];
