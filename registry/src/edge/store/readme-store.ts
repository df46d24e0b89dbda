import type { Digest } from "@sonde/schemas/names";
import type { Sql } from "postgres";

/** Caches READMEs as safe HTML by the digest of their archive. An entry never becomes stale. */
export function createReadmeStore(sql: Sql) {
  return {
    async findReadme(digest: Digest): Promise<string | null> {
      const [row] = await sql<{ html: string }[]>`
        select html from readmes where digest = ${digest}`;
      return row?.html ?? null;
    },

    async saveReadme(digest: Digest, html: string): Promise<void> {
      await sql`insert into readmes (digest, html) values (${digest}, ${html})
        on conflict do nothing`;
    },
  };
}
export type ReadmeStore = ReturnType<typeof createReadmeStore>;
