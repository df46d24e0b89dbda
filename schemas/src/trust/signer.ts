import { type Static, Type } from "typebox";
import { Digest, Timestamp } from "../names.ts";

const closed = { additionalProperties: false } as const;

/** Who signed an archive, as the verifier determined. */
export const Signer = Type.Union([
  Type.Object(
    { kind: Type.Literal("rsa-sha256"), publisher: Type.String(), keyId: Digest },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal("keyless"),
      publisher: Type.String(),
      issuer: Type.String(),
      identity: Type.String(),
      /** The source repository's number, if the certificate names one. */
      repositoryId: Type.Union([Type.String(), Type.Null()]),
      /** When a timestamp authority saw the signature. */
      signedAt: Timestamp,
    },
    closed,
  ),
  /** Only from a local folder under `allowUnsignedPacks`. */
  Type.Object({ kind: Type.Literal("none"), publisher: Type.String() }, closed),
]);
export type Signer = Static<typeof Signer>;

const StatedText = Type.String({ maxLength: 2000 });

/**
 * A signer as an agent reports it, which may be of a kind that this release does not know. The
 * members are those of all kinds of Signer.
 */
export const StatedSigner = Type.Object({
  kind: Type.String({ pattern: "^[a-z0-9-]{1,40}$" }),
  publisher: Type.String({ maxLength: 200 }),
  keyId: Type.Optional(Digest),
  issuer: Type.Optional(StatedText),
  identity: Type.Optional(StatedText),
  repositoryId: Type.Optional(Type.Union([StatedText, Type.Null()])),
  signedAt: Type.Optional(Timestamp),
});
export type StatedSigner = Static<typeof StatedSigner>;

/** Suffix of an unsigned pack's name wherever the name is shown. */
export function markUnsigned(signer: StatedSigner | null): string {
  return signer?.kind === "none" ? " (UNSIGNED)" : "";
}

/** The signer in words, the same for people and models. */
export function describeSigner(signer: Signer): string {
  switch (signer.kind) {
    case "rsa-sha256":
      return `${signer.publisher} (RSA key ${signer.keyId})`;
    case "keyless": {
      const repository = signer.repositoryId === null ? "" : `, repository ${signer.repositoryId}`;
      return `${signer.publisher} (${signer.identity} by ${signer.issuer}${repository}, ${signer.signedAt})`;
    }
    case "none":
      return `NOBODY: not signed, so nothing shows that it is from ${signer.publisher}`;
  }
}
