import { type KeyObject, verify, X509Certificate } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { Evidence } from "@sonde/schemas/evidence";
import { parseJson } from "@sonde/schemas/parse";
import { parseRegistryEntry } from "@sonde/schemas/registry";
import {
  type PackLogProof,
  type PackProof,
  parsePackStatement,
  parseSignedBundle,
  parseRecordedPack,
  type RecordedPack,
  type Signer,
} from "@sonde/schemas/trust";
import { dssePae } from "../envelope/dsse.ts";
import { keyIdOf } from "../envelope/keys.ts";
import { openCheckpoint } from "../log/checkpoint.ts";
import { hashLeaf, rootFromInclusion } from "../log/merkle.ts";
import { parseNoteKey } from "../log/signed-note.ts";
import { parsePublisherKey } from "../pack/publisher-key.ts";
import { STATEMENT_PAYLOAD_TYPE } from "../pack/statement.ts";
import { explain, HUB, type Note, toHashes } from "./findings.ts";

/**
 * Checks who signed the pack's archive, and that its registry has published that one.
 *
 * @returns the digest of the content that was signed; null when none is proven
 */
export function checkPack(
  { pack = null }: Evidence,
  { packDigest, detail }: AuditRecord,
  note: Note,
): string | null {
  if (pack === null || packDigest === null) {
    note("pack", "missing", HUB, "no signature on the pack is in the file");
    return null;
  }
  let recorded: RecordedPack;
  try {
    recorded = parseRecordedPack(detail);
  } catch (thrown) {
    note("pack", "broken", HUB, explain(thrown));
    return null;
  }
  const publisher = recorded.pack?.name.split("/")[0] ?? "";
  const content = checkSignature(pack, packDigest, recorded, publisher, note);
  checkPublished(pack, { packDigest, content, recorded }, note);
  return content;
}

function checkSignature(
  pack: PackProof,
  packDigest: string,
  { signer }: RecordedPack,
  publisher: string,
  note: Note,
): string | null {
  try {
    const { verificationMaterial, dsseEnvelope } = parseSignedBundle(
      parseJson(pack.bundle, "bundle", "EVIDENCE_INVALID"),
    );
    const { certificate } = verificationMaterial;
    const { key, who } =
      pack.publicKey === null
        ? readCertificate(certificate?.rawBytes ?? "", signer)
        : readKey(pack.publicKey, signer);
    const { payload, signatures } = dsseEnvelope;
    const bytes = Buffer.from(payload, "base64");
    const sig = Buffer.from(signatures[0]?.sig ?? "", "base64");
    // The type is ours and not the bundle's, so that a signature on something else is none. The digest
    // is the usual one of the key, as Sigstore signs: SHA-256 of RSA and P-256.
    if (!verify(null, dssePae(STATEMENT_PAYLOAD_TYPE, bytes), key, sig)) {
      throw invalid(`expected a signature on a pack by ${who}, got another`);
    }
    const { subject } = parsePackStatement(parseJson(bytes, "statement", "EVIDENCE_INVALID"));
    const [archive, content] = subject.map(({ digest }) => `sha256:${digest.sha256}`);
    if (archive !== packDigest || content === undefined) {
      throw invalid(`${who} signed the archive ${archive}, and the call was of ${packDigest}`);
    }
    note("pack", "proven", `publisher ${publisher}`, `${who} signed the archive ${packDigest}`);
    note("pack", "stated", HUB, describeTrust(publisher, signer));
    return content;
  } catch (thrown) {
    note("pack", "broken", `publisher ${publisher}`, explain(thrown));
    return null;
  }
}

function readKey(pem: string, signer: Signer | undefined): { key: KeyObject; who: string } {
  const key = parsePublisherKey(pem);
  const keyId = keyIdOf(key);
  if (signer === undefined || (signer.kind === "rsa-sha256" && signer.keyId === keyId)) {
    return { key, who: `the key ${keyId}` };
  }
  throw invalid(`the key ${keyId} is not the signer that was recorded`);
}

/** Reads a certificate of Sigstore, and not its chain: that begins with a root that is not here. */
function readCertificate(der: string, signer: Signer | undefined): { key: KeyObject; who: string } {
  const certificate = new X509Certificate(Buffer.from(der, "base64"));
  const names = certificate.subjectAltName ?? "";
  const isRecorded =
    signer === undefined ||
    (signer.kind === "keyless" &&
      ["URI", "email"].some((kind) =>
        [signer.identity, JSON.stringify(signer.identity)].some(
          (name) => names === `${kind}:${name}`,
        ),
      ));
  if (!isRecorded) throw invalid(`the certificate is for ${names}, which was not recorded`);
  return { key: certificate.publicKey, who: `a certificate for ${names}` };
}

function describeTrust(publisher: string, signer: Signer | undefined): string {
  if (signer?.kind === "keyless") {
    const { issuer, signedAt } = signer;
    return `the certificate is Sigstore's by the issuer ${issuer}, Sigstore's log and clock had the signature at ${signedAt}, and that identity signs for ${publisher}`;
  }
  return `that key is one of the publisher ${publisher}`;
}

function checkPublished(
  { log }: PackProof,
  known: { packDigest: string; content: string | null; recorded: RecordedPack },
  note: Note,
): void {
  if (log === null) {
    note("registry", "missing", HUB, "the pack is of no registry: it was in a folder of the hub");
    return;
  }
  const by = `the registry ${log.key.split("+")[0]}`;
  try {
    const { size, at, name } = openLogged(log, known);
    note(
      "registry",
      "proven",
      by,
      `its log of ${size} entries at ${at.toISOString()} has ${name} with that archive as entry ${log.index}`,
    );
    note("registry", "stated", HUB, `the log's key ${log.key} is that of the registry`);
  } catch (thrown) {
    note("registry", "broken", by, explain(thrown));
  }
}

function openLogged(
  { key, note: signed, index, entry, path }: PackLogProof,
  known: { packDigest: string; content: string | null; recorded: RecordedPack },
): { size: number; at: Date; name: string } {
  const { size, root, at } = openCheckpoint(signed, parseNoteKey(key));
  const bytes = Buffer.from(entry, "base64");
  if (rootFromInclusion(hashLeaf(bytes), index, size, toHashes(path))?.equals(root) !== true) {
    throw invalid(`entry ${index} is not in the log that was signed`);
  }
  const said = parseRegistryEntry(parseJson(bytes, "registry log entry", "EVIDENCE_INVALID"));
  const { pack } = known.recorded;
  const isThis =
    said.type === "publish" &&
    said.digest === known.packDigest &&
    said.contentDigest === (known.content ?? said.contentDigest) &&
    said.name === (pack?.name ?? said.name) &&
    said.version === (pack?.version ?? said.version);
  if (isThis) return { size, at, name: `${said.name} ${said.version}` };
  throw invalid(`entry ${index} is of another pack`);
}

function invalid(sentence: string): SondeError {
  return new SondeError("EVIDENCE_INVALID", sentence);
}
