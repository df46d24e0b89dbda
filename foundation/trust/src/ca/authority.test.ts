import "reflect-metadata";
import { X509Certificate as NodeCertificate, webcrypto } from "node:crypto";
import {
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  BasicConstraintsExtension,
} from "@peculiar/x509";
import { expect, test } from "vitest";
import { agentUri } from "@sonde/schemas/wire";
import { createAuthority, openAuthority } from "./authority.ts";

/** As WebCrypto names what an agent's key may be. */
const ED25519 = { name: "Ed25519" };
const RSA = {
  ...{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  ...{ modulusLength: 3072, publicExponent: new Uint8Array([1, 0, 1]) },
};
const HUB = "00000000-0000-4000-8000-000000000001";
const AGENT = "00000000-0000-4000-8000-000000000002";

async function openTestAuthority() {
  return openAuthority(await createAuthority(HUB, new Date()), () => new Date());
}

async function buildCsr(algorithm: object): Promise<string> {
  const keys = (await webcrypto.subtle.generateKey(algorithm as { name: "Ed25519" }, true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: "CN=admin,O=Somebody else",
    keys,
    signingAlgorithm: algorithm as { name: "Ed25519" },
    extensions: [
      new BasicConstraintsExtension(true, 3, true),
      new SubjectAlternativeNameExtension([{ type: "dns", value: "hub.example.com" }]),
    ],
  });
  return request.toString("pem");
}

test.each([
  ["ed25519", ED25519],
  ["rsa-sha256", RSA],
])(
  "attack 17: only the %s key of a request is used; subject, CA flag and names are the hub's",
  async (_name, algorithm) => {
    const authority = await openTestAuthority();
    const csr = await buildCsr(algorithm);
    const publicKey = await authority.readPublicKey(csr);
    const issued = await authority.issueAgentCertificate({ publicKey, hubId: HUB, agentId: AGENT });
    const certificate = new NodeCertificate(issued.certificate);
    expect(certificate.subject).toBe(`CN=${AGENT}`);
    expect(certificate.subjectAltName).toBe(`URI:${agentUri(HUB, AGENT)}`);
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect(certificate.serialNumber.toLowerCase()).toBe(issued.serial);
    expect(certificate.verify(new NodeCertificate(authority.certificate).publicKey)).toBe(true);
  },
);

test.each([
  [
    "a key of another kind",
    () => buildCsr({ name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }),
  ],
  ["an RSA key that is too short", () => buildCsr({ ...RSA, modulusLength: 2048 })],
  ["an RSA key that is too long", () => buildCsr({ ...RSA, modulusLength: 4608 })],
  [
    "an RSA key with the exponent 3",
    () => buildCsr({ ...RSA, publicExponent: new Uint8Array([3]) }),
  ],
  ["a signature with SHA-1 by an RSA key", () => buildCsr({ ...RSA, hash: "SHA-1" })],
  ["no request at all", () => Promise.resolve("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n")],
  [
    "a request whose signature is broken",
    async () => {
      const pem = await buildCsr({ name: "Ed25519" });
      const lines = pem.trimEnd().split("\n");
      const last = lines.at(-2) as string;
      const flipped = last.startsWith("A") ? `B${last.slice(1)}` : `A${last.slice(1)}`;
      return lines.with(lines.length - 2, flipped).join("\n");
    },
  ],
])("attack 17: %s is refused", async (_what, build) => {
  const authority = await openTestAuthority();
  const csr = await build();
  await expect(authority.readPublicKey(csr)).rejects.toMatchObject({ code: "CSR_INVALID" });
});

test("the server certificate names exactly what it was asked for and is not a client's", async () => {
  const authority = await openTestAuthority();
  const { certificate } = await authority.issueServerCertificate(["localhost", "127.0.0.1", "::1"]);
  const parsed = new NodeCertificate(certificate);
  expect(parsed.checkHost("localhost")).toBe("localhost");
  expect(parsed.checkIP("127.0.0.1")).toBe("127.0.0.1");
  expect(parsed.checkHost("hub.example.com")).toBe(undefined);
  expect(parsed.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
});
