// Records the test vectors of evidence anew, with new keys: npm run record-evidence
import { rmSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { verifyEvidence } from "@sonde/trust/evidence";
import {
  buildEvidence,
  buildIncomplete,
  EVIDENCE_FAULTS,
  EVIDENCE_LIES,
  INCOMPLETE_EVIDENCE,
} from "@sonde/trust/testing";
import { createTestSigstore, signKeylessSample } from "@sonde/trust/testing/sigstore";
import { EXPECTED, KEYLESS, VECTORS } from "./vectors.ts";

const whole = await buildEvidence();
const sigstore = await createTestSigstore();
const who = {
  issuer: "https://token.actions.githubusercontent.com",
  identity: "https://github.com/acme/hello/.github/workflows/publish.yml@refs/heads/main",
  repositoryId: "1234",
};
/** With a pack that was signed with a certificate. */
const keyless = await buildEvidence({
  pack: async (archive) => ({
    bundle: await signKeylessSample(sigstore, archive, who),
    signer: { kind: "keyless", publisher: "sonde", ...who, signedAt: new Date().toISOString() },
    publicKey: null,
  }),
});
const files = new Map([
  ["whole", whole],
  [KEYLESS, keyless],
]);
for (const { name, change } of EVIDENCE_FAULTS) {
  const changed = structuredClone(whole);
  change(changed);
  files.set(name, changed);
}
for (const { name, lies } of EVIDENCE_LIES) files.set(name, await buildEvidence(lies));
for (const of of INCOMPLETE_EVIDENCE) files.set(of.name, await buildIncomplete(of));
rmSync(VECTORS, { recursive: true, force: true });
mkdirSync(VECTORS);
const expected: Record<string, unknown> = {};
for (const [name, evidence] of files) {
  writeFileSync(join(VECTORS, `${name}.json`), `${JSON.stringify(evidence, null, 1)}\n`);
  const { sound, findings } = verifyEvidence(evidence);
  expected[name] = { sound, findings: findings.map(({ about, state }) => `${about} ${state}`) };
}
writeFileSync(EXPECTED, `${JSON.stringify(expected, null, 1)}\n`);
process.stdout.write(`${files.size} files in ${VECTORS}\n`);
