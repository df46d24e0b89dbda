import { createPublicKey, X509Certificate } from "node:crypto";
import { RotateKey, SigningKeyList } from "@sonde/schemas/hub";
import type { KeySet, KeyUse } from "@sonde/schemas/wire";
import { algorithmOf, keyIdOf } from "@sonde/trust/envelope";
import { buildAuditRecord } from "../audit/index.ts";
import type { Hub } from "../hub.ts";

const DAY_MS = 24 * 3_600_000;

/** Adds the routes that list the keys by which this hub proves itself, and rotate the command and the audit key. */
export function addSigningKeyRoutes({ app, auditLog, keys, now }: Hub): void {
  const list = (): SigningKeyList => {
    const { set } = keys.signing.held();
    const { epoch, version, expiresAt } = set;
    return {
      keys: [
        describeCertificate("ca", keys.authority),
        describeCertificate("tls", keys.server.certificate),
        ...describeKeys("command", set.commandKeys),
        ...describeKeys("audit", set.auditKeys ?? []),
      ],
      keySet: { epoch, version, expiresAt },
    };
  };

  app.get(
    "/api/v1/signing-keys",
    {
      config: { right: "keys.read" },
      schema: {
        summary: "The keys by which this hub proves itself",
        response: { 200: SigningKeyList },
      },
    },
    () => list(),
  );

  app.post(
    "/api/v1/signing-keys/rotations",
    {
      config: { right: "keys.manage", errors: ["BAD_REQUEST"] },
      schema: {
        summary: "Rotates the command or the audit key",
        body: RotateKey,
        response: { 201: SigningKeyList },
      },
    },
    async (request, reply) => {
      const { key: use, overlapDays } = request.body;
      // Recorded before the new key signs anything.
      await keys.signing.rotate(use, overlapDays * DAY_MS, async (from, to) => {
        await auditLog.append(
          buildAuditRecord(now(), `${use}-key.changed`, {
            principal: request.principal.subject.id,
            detail: { from, to, overlapDays },
          }),
        );
      });
      return reply.code(201).send(list());
    },
  );
}

function describeKeys(use: KeyUse, keys: KeySet["commandKeys"]): SigningKeyList["keys"][number][] {
  return keys.map(({ publicKey, since, until }) => {
    const key = createPublicKey(publicKey);
    return { use, algorithm: algorithmOf(key), keyId: keyIdOf(key), since, until };
  });
}

function describeCertificate(use: "ca" | "tls", pem: string): SigningKeyList["keys"][number] {
  const { publicKey, validFromDate, validToDate } = new X509Certificate(pem);
  return {
    ...{ use, algorithm: publicKey.asymmetricKeyDetails?.namedCurve ?? "unknown" },
    keyId: keyIdOf(publicKey),
    since: validFromDate.toISOString(),
    until: validToDate.toISOString(),
  };
}
