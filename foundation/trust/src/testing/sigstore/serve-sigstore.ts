import {
  createPublicKey,
  createSign,
  generateKeyPairSync,
  randomUUID,
  verify,
  X509Certificate,
} from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestSigstore } from "./create-sigstore.ts";
import { entryBody, entryToBundle, type SignedEntry, toPem } from "./log-entries.ts";

/** Claims of an identity token about its holder. */
export type TestClaims = {
  /** A URI; with `email` any text. */
  sub: string;
  email?: string;
  email_verified?: boolean;
  repository_id?: string;
  aud?: string;
  exp?: number;
};

/** The services over HTTP on loopback, and an OIDC issuer that two of them trust. */
export type ServedSigstore = {
  url: string;
  fulcio: string;
  rekor: string;
  rekorV2: string;
  timestamp: string;
  /** The `iss` of its tokens; also the issuer in the certificates. */
  issuer: string;
  /** The address of its keys, for registries that trust it. */
  jwksUri: string;
  issueToken(claims: TestClaims): string;
  /**
   * The environment that GitHub gives a job, with which the job can request a token for
   * any audience.
   */
  ambient(claims: TestClaims): Record<string, string>;
  /** The requested paths, in order. */
  requests: string[];
  close(): Promise<void>;
};

type Answer = { status: number; body: string | Buffer };

export async function serveSigstore(sigstore: TestSigstore): Promise<ServedSigstore> {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const requests: string[] = [];
  const jobs = new Map<string, TestClaims>();
  let url = "";

  function issueToken(claims: TestClaims): string {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const times = { iat: Math.floor(Date.now() / 1000), exp: Math.floor(Date.now() / 1000) + 300 };
    const body = `${encode({ alg: "ES256", typ: "JWT" })}.${encode({ iss: url, aud: "sigstore", jti: randomUUID(), ...times, ...claims })}`;
    const signature = createSign("sha256")
      .update(body)
      .sign({ key: keys.privateKey, dsaEncoding: "ieee-p1363" });
    return `${body}.${signature.toString("base64url")}`;
  }

  /** @throws Error unless the token is from this issuer, for this audience and not expired */
  function readToken(token: string): TestClaims {
    const [head = "", body = "", signature = ""] = token.split(".");
    const key = { key: keys.publicKey, dsaEncoding: "ieee-p1363" as const };
    const isOurs = verify(
      "sha256",
      Buffer.from(`${head}.${body}`),
      key,
      Buffer.from(signature, "base64url"),
    );
    const claims = JSON.parse(Buffer.from(body, "base64url").toString()) as TestClaims;
    if (!isOurs || claims.aud !== "sigstore" || (claims.exp ?? 0) * 1000 < Date.now()) {
      throw new Error("the identity token is not good");
    }
    return claims;
  }

  async function issueCertificate(text: string): Promise<Answer> {
    const { credentials, publicKeyRequest } = JSON.parse(text) as {
      credentials: { oidcIdentityToken: string };
      publicKeyRequest: { publicKey: { content: string }; proofOfPossession: string };
    };
    const claims = readToken(credentials.oidcIdentityToken);
    const key = createPublicKey(publicKeyRequest.publicKey.content);
    const subject = claims.email ?? claims.sub;
    const proof = Buffer.from(publicKeyRequest.proofOfPossession, "base64");
    if (!verify("sha256", Buffer.from(subject), key, proof)) throw new Error("not your key");
    const certificate = await sigstore.authority.issue(
      key.export({ type: "spki", format: "der" }),
      {
        issuer: url,
        identity: subject,
        ...(claims.repository_id !== undefined && { repositoryId: claims.repository_id }),
      },
    );
    const chain = [certificate, sigstore.authority.certificate].map((der) => toPem(der).toString());
    return ok({ signedCertificateEmbeddedSct: { chain: { certificates: chain } } }, 201);
  }

  function logEntry(version: "v1" | "v2", text: string): Answer {
    const entry = version === "v1" ? readProposal(text) : readRequest(text);
    demandSigned(entry);
    const log = sigstore.logs[version];
    const logged = log.add(entryBody(version, entry));
    if (version === "v2") return ok(entryToBundle(version, log, logged), 201);
    const inclusionProof = {
      logIndex: logged.index,
      treeSize: logged.size,
      rootHash: logged.root.toString("hex"),
      hashes: logged.hashes.map((hash) => hash.toString("hex")),
      checkpoint: logged.checkpoint,
    };
    return ok(
      {
        [`${logged.index}`]: {
          body: logged.body.toString("base64"),
          integratedTime: logged.integratedTime,
          logID: log.id.toString("hex"),
          logIndex: logged.index,
          verification: {
            inclusionProof,
            signedEntryTimestamp: logged.promise.toString("base64"),
          },
        },
      },
      201,
    );
  }

  async function answer(request: IncomingMessage): Promise<Answer> {
    const { pathname, searchParams } = new URL(request.url ?? "/", url);
    requests.push(pathname);
    const text = await readText(request);
    switch (`${request.method} ${pathname}`) {
      case "GET /token": {
        const claims = jobs.get(request.headers.authorization ?? "");
        if (claims === undefined) return { status: 401, body: "" };
        return ok({ value: issueToken({ ...claims, aud: searchParams.get("audience") ?? "" }) });
      }
      case "GET /jwks":
        return ok({ keys: [keys.publicKey.export({ format: "jwk" })] });
      case "POST /fulcio/api/v2/signingCert":
        return issueCertificate(text);
      case "POST /rekor/api/v1/log/entries":
        return logEntry("v1", text);
      case "POST /rekor2/api/v2/log/entries":
        return logEntry("v2", text);
      case "POST /api/v1/timestamp": {
        const { artifactHash } = JSON.parse(text) as { artifactHash: string };
        return {
          status: 201,
          body: await sigstore.timestamps.stamp(Buffer.from(artifactHash, "base64")),
        };
      }
      default:
        return { status: 404, body: "" };
    }
  }

  const server = createServer((request, response) => {
    void answer(request)
      .catch((error: unknown): Answer => ({ status: 400, body: String(error) }))
      .then(({ status, body }) => {
        response.writeHead(status, {
          "content-type":
            typeof body === "string" ? "application/json" : "application/timestamp-reply",
        });
        response.end(body);
      });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    fulcio: `${url}/fulcio`,
    rekor: `${url}/rekor`,
    rekorV2: `${url}/rekor2`,
    timestamp: `${url}/api/v1/timestamp`,
    issuer: url,
    jwksUri: `${url}/jwks`,
    issueToken,
    ambient(claims) {
      const secret = `job-${jobs.size}`;
      jobs.set(`Bearer ${secret}`, claims);
      return {
        ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: secret,
      };
    },
    requests,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const ok = (value: object, status = 200): Answer => ({ status, body: JSON.stringify(value) });

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function readProposal(text: string): SignedEntry {
  const { spec } = JSON.parse(text) as {
    spec: { proposedContent: { envelope: string; verifiers: [string] } };
  };
  const pem = Buffer.from(spec.proposedContent.verifiers[0], "base64").toString();
  return {
    envelope: JSON.parse(spec.proposedContent.envelope) as SignedEntry["envelope"],
    certificate: new X509Certificate(pem).raw,
  };
}

function readRequest(text: string): SignedEntry {
  const { dsseRequestV002 } = JSON.parse(text) as {
    dsseRequestV002: {
      envelope: SignedEntry["envelope"];
      verifiers: [{ x509Certificate: { rawBytes: string } }];
    };
  };
  const { rawBytes } = dsseRequestV002.verifiers[0].x509Certificate;
  return { envelope: dsseRequestV002.envelope, certificate: Buffer.from(rawBytes, "base64") };
}

/** Refuses an envelope that its own certificate does not verify. */
function demandSigned({ envelope, certificate }: SignedEntry): void {
  const payload = Buffer.from(envelope.payload, "base64");
  const { payloadType } = envelope;
  const head = Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `);
  const signature = Buffer.from(envelope.signatures[0]?.sig ?? "", "base64");
  const { publicKey } = new X509Certificate(certificate);
  if (!verify("sha256", Buffer.concat([head, payload]), publicKey, signature)) {
    throw new Error("not signed by that certificate");
  }
}
