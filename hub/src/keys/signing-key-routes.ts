import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { RotateKey, SigningKeyList } from "@sonde/schemas/hub";
import type { KeySet, KeyUse } from "@sonde/schemas/wire";
import { algorithmOf, keyIdOf } from "@sonde/trust/envelope";
import { hubLogKey } from "@sonde/trust/hub-log";
import { formatNoteKey } from "@sonde/trust/log";
import { buildAuditRecord } from "../audit/index.ts";
import type { Hub } from "../hub.ts";
import type { WitnessKey } from "./witness-key.ts";

const DAY_MS = 24 * 3_600_000;

/** Adds the routes that list the keys by which this hub proves itself, and rotate the command and the audit key. */
export function addSigningKeyRoutes(hub: Hub): void {
  const { app, auditLog, keys, now } = hub;
  const list = async (): Promise<SigningKeyList> => {
    const isWitness = (hub.config.witnessFor ?? []).length > 0;
    const { set } = keys.signing.held();
    const { epoch, version, expiresAt } = set;
    return {
      keys: [
        describeCertificate("ca", keys.authority),
        describeCertificate("tls", keys.server.certificate),
        ...describeKeys("command", set.commandKeys),
        ...describeKeys("audit", set.auditKeys ?? [], (key) => vkeyOf(keys.hubId, key)),
        ...(isWitness ? [describeWitness(await keys.openWitness())] : []),
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
      return reply.code(201).send(await list());
    },
  );
}

type Described = SigningKeyList["keys"][number];

function describeKeys(
  use: KeyUse,
  keys: KeySet["commandKeys"],
  name: (key: KeyObject) => Pick<Described, "vkey"> = () => ({}),
): Described[] {
  return keys.map(({ publicKey, since, until }) => {
    const key = createPublicKey(publicKey);
    return { use, algorithm: algorithmOf(key), keyId: keyIdOf(key), since, until, ...name(key) };
  });
}

/** A note has no signature type for RSA, so no witness could use such a key. */
function vkeyOf(hubId: string, key: KeyObject): Pick<Described, "vkey"> {
  return algorithmOf(key) === "ed25519" ? { vkey: formatNoteKey(hubLogKey(hubId, key)) } : {};
}

function describeWitness({ key, since }: WitnessKey): Described {
  const { publicKey } = key;
  return {
    use: "witness",
    ...{ algorithm: algorithmOf(publicKey), keyId: keyIdOf(publicKey) },
    ...{ since: since.toISOString(), until: null, vkey: formatNoteKey(key, "cosignature") },
  };
}

function describeCertificate(use: "ca" | "tls", pem: string): Described {
  const { publicKey, validFromDate, validToDate } = new X509Certificate(pem);
  return {
    ...{ use, algorithm: publicKey.asymmetricKeyDetails?.namedCurve ?? "unknown" },
    keyId: keyIdOf(publicKey),
    since: validFromDate.toISOString(),
    until: validToDate.toISOString(),
  };
}
