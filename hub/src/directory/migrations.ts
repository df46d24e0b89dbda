import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "directory-changes",
    sql: `
      -- Names of changed facts, written in the transaction that changes them. The newest 1000 stay.
      create table changes (
        seq bigint generated always as identity primary key,
        kind text not null,
        id text not null
      );

      create function tell_change() returns trigger language plpgsql as $$
      begin
        perform pg_notify('sonde_hub_changes', new.kind || ' ' || new.id);
        delete from changes where seq < new.seq - 1000;
        return null;
      end $$;
      create trigger tell_change after insert on changes for each row execute function tell_change();`,
  },
];
