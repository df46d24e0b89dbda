import type { ToolPin } from "@sonde/schemas/hub";
import { type Digest, toolNameOf } from "@sonde/schemas/names";
import type { Sql } from "postgres";
import type { Static } from "typebox";
import type { Directory, HubPack } from "../../directory/index.ts";

export type NewPin = { probe: string; definitionSha256: Digest; packDigest: Digest };

/** PostgreSQL's text has no NUL, and no half of a character. */
const toStoredText = (text: string) => text.replaceAll("\0", "\ufffd").toWellFormed();

/** Stores verified archives and the pins of their tools. Each method is one transaction. */
export function createPackStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    /** @param readme Markdown of the publisher */
    async savePack(pack: HubPack, readme: string, at: Date): Promise<void> {
      await directory.change([{ kind: "pack", id: pack.digest }], async (tx) => {
        await tx`insert into packs (digest, name, version, signer, manifest, readme, verified_at)
          values (${pack.digest}, ${pack.name}, ${pack.version}, ${tx.json(pack.signer)},
            ${tx.json(pack.manifest)}, ${toStoredText(readme)}, ${at})
          on conflict (digest) do update
            set signer = excluded.signer, readme = excluded.readme, verified_at = excluded.verified_at`;
      });
    },
    /** Returns null when the archive was saved by a release that kept no README. */
    async readReadme(digest: Digest): Promise<string | null> {
      const [row] = await sql<{ readme: string | null }[]>`
        select readme from packs where digest = ${digest}`;
      return row?.readme ?? null;
    },
    /** Inserts pins. With `replace` false an existing pin stays. */
    async pinTools(pins: NewPin[], by: string, at: Date, replace: boolean): Promise<void> {
      if (pins.length === 0) return;
      const changes = pins.map(({ probe }) => ({ kind: "pin" as const, id: probe }));
      await directory.change(changes, async (tx) => {
        for (const pin of pins) {
          await tx`insert into tool_pins (probe, definition_sha256, pack_digest, approved_by, approved_at)
            values (${pin.probe}, ${pin.definitionSha256}, ${pin.packDigest}, ${by}, ${at})
            on conflict (probe) do update set definition_sha256 = excluded.definition_sha256,
              pack_digest = excluded.pack_digest, approved_by = excluded.approved_by,
              approved_at = excluded.approved_at
            where ${replace}`;
        }
      });
    },
    async listPins(): Promise<Static<typeof ToolPin>[]> {
      const rows = await sql<(NewPin & { approvedBy: string; approvedAt: Date })[]>`
        select probe, definition_sha256 as "definitionSha256", pack_digest as "packDigest",
          approved_by as "approvedBy", approved_at as "approvedAt" from tool_pins order by probe`;
      return rows.map((row) => ({
        ...row,
        tool: toolNameOf(row.probe),
        approvedAt: row.approvedAt.toISOString(),
      }));
    },
  };
}
export type PackStore = ReturnType<typeof createPackStore>;
