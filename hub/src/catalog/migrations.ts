import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "pack-readme",
    sql: `
      -- What a publisher says of a pack. Null of an archive that was saved before.
      alter table packs add column readme text;`,
  },
  {
    name: "pack-proof",
    sql: `
      -- Signature bundle and proof in the registry's log. Null of an archive that was saved before,
      -- or that nobody signed.
      alter table packs add column proof json;`,
  },
];
