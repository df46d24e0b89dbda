import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "key-makers",
    sql: `
      -- The principal that made it: what a stolen key made ends with it. Null for the hub itself.
      alter table api_keys add column created_by text;
      update api_keys set created_by = made.record::json ->> 'principal' from audit_log made
        where made.event = 'key.created' and made.record::json -> 'detail' ->> 'id' = id::text;
      alter table enrolment_tokens add column created_by text;`,
  },
];
