import type { ToolPin } from "@sonde/schemas/hub";
import { type Digest, toolNameOf } from "@sonde/schemas/names";
import type { Sql } from "postgres";
import type { Static } from "typebox";
import type { Directory, HubPack } from "../../directory/index.ts";

export type NewPin = { probe: string; definitionSha256: Digest; packDigest: Digest };

/** Stores verified archives and the pins of their tools. Each method is one transaction. */
export function createPackStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    async savePack(pack: HubPack, at: Date): Promise<void> {
      await directory.change([{ kind: "pack", id: pack.digest }], async (tx) => {
        await tx`insert into packs (digest, name, version, signer, manifest, verified_at)
          values (${pack.digest}, ${pack.name}, ${pack.version}, ${tx.json(pack.signer)},
            ${tx.json(pack.manifest)}, ${at})
          on conflict (digest) do update
            set signer = excluded.signer, verified_at = excluded.verified_at`;
      });
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
