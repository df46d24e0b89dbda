import type { ToolPin } from "@sonde/schemas/hub";
import { type Digest, toolNameOf } from "@sonde/schemas/names";
import type { PackProof, Signer } from "@sonde/schemas/trust";
import type { Sql } from "postgres";
import type { Static } from "typebox";
import type { Directory, HubPack } from "../../directory/index.ts";

export type NewPin = { probe: string; definitionSha256: Digest; packDigest: Digest };

/** PostgreSQL's text has no NUL, and no half of a character. */
const toStoredText = (text: string) => text.replaceAll("\0", "\ufffd").toWellFormed();

/** Stores verified archives and the pins of their tools. Each method is one transaction. */
export function createPackStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    /**
     * @param readme Markdown of the publisher
     * @param proof null leaves the one that is stored, while the signer is the same
     */
    async savePack(
      pack: HubPack,
      readme: string,
      at: Date,
      proof: PackProof | null = null,
    ): Promise<void> {
      await directory.change([{ kind: "pack", id: pack.digest }], async (tx) => {
        await tx`insert into packs (digest, name, version, signer, manifest, readme, proof, verified_at)
          values (${pack.digest}, ${pack.name}, ${pack.version}, ${tx.json(pack.signer)},
            ${tx.json(pack.manifest)}, ${toStoredText(readme)}, ${proof && tx.json(proof)}, ${at})
          on conflict (digest) do update
            set signer = excluded.signer, readme = excluded.readme, verified_at = excluded.verified_at,
              proof = coalesce(excluded.proof,
                case when packs.signer::jsonb = excluded.signer::jsonb then packs.proof end)`;
      });
    },
    /** Returns null when the archive was saved by a release that kept no README. */
    async readReadme(digest: Digest): Promise<string | null> {
      const [row] = await sql<{ readme: string | null }[]>`
        select readme from packs where digest = ${digest}`;
      return row?.readme ?? null;
    },
    readProof: (digest: Digest) => readPackProof(sql, digest, null),
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
/**
 * Null when nobody signed the archive, or it was saved by a release that kept no proof.
 *
 * @param signer as a call recorded it: an archive may be signed anew, by another. Null for any
 */
export async function readPackProof(
  sql: Sql,
  digest: Digest,
  signer: Signer | null,
): Promise<PackProof | null> {
  const [row] = await sql<{ proof: PackProof | null }[]>`
    select proof from packs where digest = ${digest}
      and (${signer === null} or signer::jsonb = ${signer && sql.json(signer)}::jsonb)`;
  return row?.proof ?? null;
}

export type PackStore = ReturnType<typeof createPackStore>;
