import { SondeError } from "@sonde/schemas/errors";
import type { SignedEntity, Signer as VerifiedSigner } from "@sigstore/verify";

/** The signer's identity in a signing certificate. */
export type CertificateIdentity = {
  issuer: string;
  identity: string;
  repositoryId: string | null;
};

// https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md
const ISSUER = "1.3.6.1.4.1.57264.1.8";
const REPOSITORY_ID = "1.3.6.1.4.1.57264.1.15";
const SUBJECT_ALTERNATIVE_NAME = "2.5.29.17";
const EXTENDED_KEY_USAGE = "2.5.29.37";

// DER tags. Each extension must hold one value of its tag and nothing else.
const SEQUENCE = 0x30;
const UTF8_STRING = 0x0c;
const EMAIL_NAME = 0x81;
const URI_NAME = 0x86;

/** DER of the one purpose id-kp-codeSigning in a SEQUENCE. */
const CODE_SIGNING = Buffer.from("300a06082b06010505070303", "hex");
const PRINTABLE = /^[!-~]{1,300}$/;
const NUMBER = /^[0-9]{1,20}$/;

type Extensions = ReadonlyMap<string, Buffer>;

/**
 * Reads the identity from a verified certificate's extensions. The library's own reading
 * drops the high bit of each byte and takes the first of several names; either could turn
 * one identity into another. This function demands one name in plain ASCII.
 *
 * @param signer the library's result for a certificate that it has verified
 * @throws SondeError SIGNATURE_INVALID
 */
export function readCertificateIdentity(signer: VerifiedSigner): CertificateIdentity {
  const oids = signer.identity?.oids ?? [];
  return readIdentity(oids.map(({ oid, value }) => [(oid?.id ?? []).join("."), value]));
}

function readIdentity(entries: Iterable<readonly [string, Buffer]>): CertificateIdentity {
  const extensions = collect(entries);
  if (extensions.get(EXTENDED_KEY_USAGE)?.equals(CODE_SIGNING) !== true) {
    throw invalid("a certificate for code signing alone");
  }
  const names = readDer(demand(extensions, SUBJECT_ALTERNATIVE_NAME), [SEQUENCE]);
  const repositoryId = extensions.get(REPOSITORY_ID);
  return {
    issuer: readText(readDer(demand(extensions, ISSUER), [UTF8_STRING]), PRINTABLE),
    identity: readText(readDer(names, [EMAIL_NAME, URI_NAME]), PRINTABLE),
    repositoryId:
      repositoryId === undefined ? null : readText(readDer(repositoryId, [UTF8_STRING]), NUMBER),
  };
}

type Certificate = Extract<SignedEntity["key"], { $case: "certificate" }>["certificate"];

/**
 * Reads the identity that a certificate claims, whoever issued it.
 *
 * @throws SondeError SIGNATURE_INVALID
 */
export function readClaimedIdentity(certificate: Certificate): CertificateIdentity {
  return readIdentity(
    certificate.extensions.map((extension): [string, Buffer] => {
      // RFC 5280 section 4.1: the name, perhaps `critical`, and the value.
      const [name, value] = [extension.subs.at(0), extension.subs.at(-1)];
      if (name === undefined || value === undefined) throw invalid("whole extensions");
      return [name.toOID(), value.value];
    }),
  );
}

function collect(entries: Iterable<readonly [string, Buffer]>): Extensions {
  const extensions = new Map<string, Buffer>();
  for (const [id, value] of entries) {
    if (extensions.has(id)) throw invalid(`extension ${id} once`);
    extensions.set(id, value);
  }
  return extensions;
}

function demand(extensions: Extensions, id: string): Buffer {
  const value = extensions.get(id);
  if (value === undefined) throw invalid(`extension ${id}`);
  return value;
}

/** Returns the content of one DER value, which must fill `bytes` exactly. */
function readDer(bytes: Buffer, tags: readonly number[]): Buffer {
  const [tag = -1, first = 0xff] = bytes;
  const lengthBytes = first < 0x80 ? 0 : first - 0x80;
  if (!tags.includes(tag) || lengthBytes > 2 || bytes.length < 2 + lengthBytes) {
    throw invalid("one name in each of its extensions");
  }
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(2, lengthBytes);
  const content = bytes.subarray(2 + lengthBytes);
  if (content.length !== length) throw invalid("one name in each of its extensions");
  return content;
}

function readText(bytes: Buffer, form: RegExp): string {
  const text = bytes.toString("latin1");
  if (!form.test(text)) throw invalid("names in plain characters");
  return text;
}

function invalid(expected: string): SondeError {
  return new SondeError("SIGNATURE_INVALID", `certificate: expected ${expected}, got another`);
}
