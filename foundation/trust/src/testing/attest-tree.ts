import { randomUUID } from "node:crypto";
import type { AuditAttestation } from "@sonde/schemas/audit";
import { createAuthority, openAuthority } from "../ca/index.ts";
import { EMPTY_HEAD } from "../chain/chain.ts";
import { createKeyPair, createSigningKey } from "../envelope/keys.ts";
import { hubLogKey } from "../hub-log/hub-log.ts";
import { signCheckpoint } from "../log/checkpoint.ts";
import type { Tree } from "../log/merkle.ts";

/** What a new hub whose log this is would say of it: signed to the last entry. */
export async function attestTree(tree: Tree): Promise<AuditAttestation> {
  const [hubId, at, since] = [randomUUID(), new Date(), new Date().toISOString()];
  const ca = await openAuthority(await createAuthority(hubId, at), () => at);
  const audit = createKeyPair("ed25519");
  const listed = ({ publicKey }: ReturnType<typeof createKeyPair>) => ({
    ...{ publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(), since },
    until: null,
  });
  const keySet = await ca.signKeySet({
    ...{ hubId, epoch: 0, version: 1, expiresAt: since },
    ...{ commandKeys: [listed(createKeyPair("ed25519"))], auditKeys: [listed(audit)] },
  });
  const signer = createSigningKey(audit.privateKey, audit.publicKey);
  const note = signCheckpoint(tree, hubLogKey(hubId, audit.publicKey), signer, at);
  const checkpoint = { size: tree.size, root: tree.root.toString("base64"), at: since, note };
  return {
    ...{ hubId, authority: ca.certificate, keySet, checkpoint },
    ...{ head: EMPTY_HEAD, unattested: 0, problem: null, witnesses: [], cosigned: [] },
  };
}
