import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "pack-readme",
    sql: `
      -- What a publisher says of a pack. Null of an archive that was saved before.
      alter table packs add column readme text;`,
  },
];
