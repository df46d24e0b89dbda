import { generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import type { SignerPolicy } from "@sonde/schemas/trust";
import { type VerifyPackRequest, verifyPack } from "@sonde/trust/pack";
import {
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
  signSample,
} from "@sonde/trust/testing";
import { createTestSigstore, signKeylessSample } from "@sonde/trust/testing/sigstore";
import { round } from "./statistics.ts";

const LIMIT_MS = 10;
/**
 * Signatures in a keyless bundle: envelope, certificate, its SCT, log entry, timestamp and the
 * timestamp's certificate.
 */
const KEYLESS_SIGNATURES = 6;

/**
 * CPU time of one verification in a warm process: of a keyless signature, of a publisher's RSA key,
 * and of bare node:crypto over as many signatures as a keyless bundle has.
 */
export async function measureVerify(rounds: number) {
  const code = `// ${randomBytes(45_000).toString("base64")}\nvar pack = {};\n`;
  const archive = buildSampleArchive({ code });
  const who = { issuer: "https://issuer.example", identity: "https://example.com/robot" };
  const sigstore = await createTestSigstore();
  const key = createSampleKey();
  const request = (bundle: string, policy: SignerPolicy): VerifyPackRequest => ({
    ...{ archive, bundle, policy, origin: "registry" },
  });
  const keyless = (log: "v1" | "v2") =>
    signKeylessSample(sigstore, archive, who, { log }).then((bundle) =>
      request(bundle, {
        publishers: { acme: { keys: [], identities: [who] } },
        trustedRoot: sigstore.trustedRoot,
        allowUnsignedPacks: false,
      }),
    );
  const [v1, v2] = [await keyless("v1"), await keyless("v2")];
  const managed = request(signSample(archive, key), buildSamplePolicy({ acme: [key] }));

  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const message = randomBytes(1000);
  const signature = sign("sha256", message, pair.privateKey);
  const floor = (): void => {
    for (let count = 0; count < KEYLESS_SIGNATURES; count++) {
      if (!verify("sha256", message, pair.publicKey, signature)) throw new Error("refused");
    }
  };
  const keylessMs = await cpuMsEach(rounds, () => verifyPack(v2));
  const figures = {
    rounds,
    archiveBytes: archive.length,
    keylessMs,
    keylessOlderLogMs: await cpuMsEach(rounds, () => verifyPack(v1)),
    rsaMs: await cpuMsEach(rounds, () => verifyPack(managed)),
    bareSignaturesMs: await cpuMsEach(rounds, floor),
  };
  const what = "CPU of a keyless verification, ms";
  const ambition = { what, limit: LIMIT_MS, got: keylessMs, met: keylessMs <= LIMIT_MS };
  return { figures, ambitions: [ambition] };
}

/** User and system time of the whole process, including its compilers and garbage collector. */
async function cpuMsEach(rounds: number, work: () => unknown): Promise<number> {
  for (let warm = 0; warm < rounds / 3; warm++) await work();
  const before = process.cpuUsage();
  for (let done = 0; done < rounds; done++) await work();
  const { user, system } = process.cpuUsage(before);
  return round((user + system) / 1000 / rounds);
}
