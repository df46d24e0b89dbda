import { SondeError } from "@sonde/schemas/errors";
import { type TrustPolicy, type TrustedIdentity } from "@sonde/schemas/trust";
import { expect, test } from "vitest";
import { archiveDigest, contentDigest, readArchive } from "../archive/index.ts";
import {
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
  signSample,
} from "../testing/index.ts";
import {
  type CertificateRequest,
  createTestSigstore,
  type KeylessBundle,
  type KeylessLies,
  signKeylessSample,
} from "../testing/sigstore/index.ts";
import { type VerifiedPack, type VerifyPackRequest, verifyPack } from "./index.ts";
import { buildStatement } from "./statement.ts";

// Real certificates, logs and timestamps, generated here. The verifier gets only their bytes.
const sigstore = await createTestSigstore();
const stranger = await createTestSigstore();
const archive = buildSampleArchive();
const digests = [archiveDigest(archive), contentDigest(readArchive(archive))] as const;
const ISSUER = "https://token.actions.githubusercontent.com";
const WORKFLOW = "https://github.com/acme/hello/.github/workflows/publish.yml@refs/heads/main";
const who = { issuer: ISSUER, identity: WORKFLOW, repositoryId: "1234" };
const key = createSampleKey();

function trusting(identities: TrustedIdentity[], changes: Partial<TrustPolicy> = {}): TrustPolicy {
  return {
    ...buildSamplePolicy({}),
    publishers: { acme: { keys: [], identities } },
    trustedRoot: sigstore.trustedRoot,
    ...changes,
  };
}

const policy = trusting([who]);
const bundle = await signKeylessSample(sigstore, archive, who);

const verify = (changes: Partial<VerifyPackRequest>): Promise<VerifiedPack> =>
  verifyPack({ archive, bundle, policy, origin: "registry", ...changes });

/** Returns the code of the refusal, or "accepted". */
async function verdict(changes: Partial<VerifyPackRequest>): Promise<string> {
  try {
    await verify(changes);
    return "accepted";
  } catch (error) {
    return error instanceof SondeError ? error.code : `no code: ${String(error)}`;
  }
}

const verdictOf = async (request: Partial<CertificateRequest>, lies?: KeylessLies) =>
  verdict({ bundle: await signKeylessSample(sigstore, archive, { ...who, ...request }, lies) });

test.each(["v1", "v2"] as const)("a signature in a %s log says who and when", async (log) => {
  const before = Math.floor(Date.now() / 1000) * 1000;
  const { signer } = await verify({
    bundle: await signKeylessSample(sigstore, archive, who, { log }),
  });
  expect(signer).toMatchObject({ kind: "keyless", publisher: "acme", ...who });
  if (signer.kind !== "keyless") throw new Error("expected a keyless signer");
  expect(Date.parse(signer.signedAt)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(signer.signedAt)).toBeLessThanOrEqual(Date.now());
});

test("an e-mail address is an identity too, and its certificate names no repository", async () => {
  const ada = { issuer: "https://accounts.example", identity: "ada@acme.example" };
  const { signer } = await verify({
    bundle: await signKeylessSample(sigstore, archive, ada),
    policy: trusting([ada]),
  });
  expect(signer).toMatchObject({ ...ada, repositoryId: null });
});

const NEAR_MISSES: [string, string, string][] = [
  ["what starts like it", WORKFLOW, `${WORKFLOW}.evil`],
  ["what it starts like", WORKFLOW, WORKFLOW.slice(0, -1)],
  ["what ends like it", "ada@acme.example", "https://ada@acme.example"],
  ["another character at a dot", WORKFLOW, WORKFLOW.replace("github.com", "githubXcom")],
  ["other letters' case", WORKFLOW, WORKFLOW.replace("acme", "Acme")],
  ["what a pattern would match", "https://github.com/.*", "https://github.com/acme"],
  ["what an anchored pattern would match", "^https://github.com/acme$", "https://github.com/acme"],
];
test.each(NEAR_MISSES)("an identity matches exactly, not %s", async (_what, listed, got) => {
  const { repositoryId: _none, ...plain } = who;
  const signed = await signKeylessSample(sigstore, archive, { ...plain, identity: got });
  expect(
    await verdict({ bundle: signed, policy: trusting([{ ...plain, identity: listed }]) }),
  ).toBe("SIGNER_UNTRUSTED");
  expect(await verdict({ bundle: signed, policy: trusting([{ ...plain, identity: got }]) })).toBe(
    "accepted",
  );
});

test.each([
  [`${ISSUER}/`],
  [ISSUER.slice(0, -1)],
  [ISSUER.replace("token.", "tokenX")],
  [ISSUER.toUpperCase()],
])("an issuer matches exactly, not %s", async (issuer) => {
  expect(await verdictOf({ issuer })).toBe("SIGNER_UNTRUSTED");
});

test("issuer and identity of one entry belong together", async () => {
  const other = { issuer: "https://other.example", identity: "https://other.example/x" };
  const mixed = trusting([
    { ...who, identity: other.identity },
    { ...who, issuer: other.issuer },
  ]);
  expect(await verdict({ policy: mixed })).toBe("SIGNER_UNTRUSTED");
});

test("a repository is identified by its number if there is one", async () => {
  const { repositoryId: _number, ...plain } = who;
  const unnumbered = await signKeylessSample(sigstore, archive, plain);
  expect(await verdictOf({ repositoryId: "1235" })).toBe("SIGNER_UNTRUSTED");
  // The repository number is in the policy alone, or in the certificate alone.
  expect(await verdict({ bundle: unnumbered })).toBe("SIGNER_UNTRUSTED");
  expect(await verdict({ policy: trusting([plain]) })).toBe("SIGNER_UNTRUSTED");
  await expect(verify({ policy: trusting([plain]) })).rejects.toThrow("add repositoryId 1234");
  expect(await verdict({ bundle: unnumbered, policy: trusting([plain]) })).toBe("accepted");
  expect(await verdict({ policy: trusting([plain, { ...who, repositoryId: "9" }, who]) })).toBe(
    "accepted",
  );
});

test("one publisher's identity does not sign for another", async () => {
  const publishers = {
    acme: { keys: [], identities: [] },
    other: { keys: [], identities: [who] },
  };
  expect(await verdict({ policy: trusting([], { publishers }) })).toBe("SIGNER_UNTRUSTED");
});

test("a key counts where keys are listed, and a certificate where identities are", async () => {
  const byKey = signSample(archive, key);
  const keys = buildSamplePolicy({ acme: [key] }).publishers["acme"]!.keys;
  const only = (list: object): TrustPolicy =>
    trusting([], { publishers: { acme: { keys: [], identities: [], ...list } } });
  expect(await verdict({ policy: only({ keys }) })).toBe("SIGNER_UNTRUSTED");
  expect(await verdict({ bundle: byKey, policy: only({ identities: [who] }) })).toBe(
    "SIGNER_UNTRUSTED",
  );
  const both = only({ keys, identities: [who] });
  expect(await verdict({ policy: both })).toBe("accepted");
  expect(await verdict({ bundle: byKey, policy: both })).toBe("accepted");
  // The material of one kind of signature does not verify the other kind.
  const lend = (from: string, to: string): string => {
    const { verificationMaterial } = JSON.parse(from) as KeylessBundle;
    return JSON.stringify({ ...(JSON.parse(to) as KeylessBundle), verificationMaterial });
  };
  expect(await verdict({ bundle: lend(bundle, byKey), policy: both })).toBe("SIGNATURE_INVALID");
  expect(await verdict({ bundle: lend(byKey, bundle), policy: both })).toBe("SIGNATURE_INVALID");
});

test("without a pinned root no keyless signature counts", async () => {
  const { trustedRoot: _root, ...bare } = policy;
  expect(await verdict({ policy: bare })).toBe("SIGNER_UNTRUSTED");
  await expect(verify({ policy: bare })).rejects.toThrow("sonde trust update-root --from FILE");
});

test.each<[string, KeylessLies, Partial<CertificateRequest>?]>([
  ["no timestamp", { withoutTimestamp: true }],
  ["no timestamp but a log's own time", { withoutTimestamp: true, log: "v1" }],
  ["no log entry", { withoutEntry: true }],
  ["a certificate that no log has seen", {}, { withoutSct: true }],
  ["a certificate that had ended", {}, { from: new Date(Date.now() - 3_600_000) }],
  ["a certificate that had not begun", {}, { from: new Date(Date.now() + 3_600_000) }],
  ["a stranger's certificate", { authorityOf: stranger }],
  ["a stranger's timestamp", { timestampsOf: stranger }],
  ["a stranger's log", { logsOf: stranger }],
  ["a stranger's older log", { logsOf: stranger, log: "v1" }],
  ["another payload type", { payloadType: "application/json" }],
  ["a certificate for servers", {}, { purpose: "1.3.6.1.5.5.7.3.1" }],
  ["two names", {}, { moreNames: ["https://github.com/acme/other"] }],
  ["a name that loses a bit to become ours", {}, { identity: WORKFLOW.replace("a", "\xe1") }],
  [
    "an issuer named twice",
    {},
    { extensions: [["1.3.6.1.4.1.57264.1.8", Buffer.from(`\x0c\x01x`)]] },
  ],
])("a signature with %s is refused", async (_what, lies, request = {}) => {
  expect(await verdictOf(request, lies)).toBe("SIGNATURE_INVALID");
});

test("the signed statement must be about this archive and of the expected type", async () => {
  const zero = `sha256:${"0".repeat(64)}`;
  const right = buildStatement(...digests);
  for (const [statement, code] of [
    [buildStatement(zero, digests[1]), "DIGEST_MISMATCH"],
    [buildStatement(digests[0], zero), "DIGEST_MISMATCH"],
    [{ ...right, subject: right.subject.toReversed() }, "SIGNATURE_INVALID"],
    [{ ...right, predicateType: "https://slsa.dev/provenance/v1" }, "SIGNATURE_INVALID"],
  ] as const) {
    expect(await verdictOf({}, { statement })).toBe(code);
  }
  const other = buildSampleArchive({ manifest: { version: "1.0.1" } });
  expect(await verdict({ archive: other })).toBe("DIGEST_MISMATCH");
});

test("an older form of bundle, or a chain of certificates, is refused", async () => {
  const older = (mediaType: string) => (made: KeylessBundle) => ({ ...made, mediaType });
  for (const mediaType of [
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.4+json",
  ]) {
    for (const log of ["v1", "v2"] as const) {
      expect(await verdictOf({}, { log, change: older(mediaType) })).toBe("SIGNATURE_INVALID");
    }
  }
  const chained = ({ verificationMaterial, ...rest }: KeylessBundle) => {
    const { certificate, ...material } = verificationMaterial;
    const x509CertificateChain = { certificates: [certificate] };
    return { ...rest, verificationMaterial: { ...material, x509CertificateChain } };
  };
  expect(await verdictOf({}, { change: chained })).toBe("SIGNATURE_INVALID");
});

test("an authority counts from its start to its end", async () => {
  const root = sigstore.trustedRoot;
  const past = { start: "2020-01-01T00:00:00Z", end: "2021-01-01T00:00:00Z" };
  const [log, authority, ctLog, timestamps] = [
    root.tlogs.map((each) => ({ ...each, publicKey: { ...each.publicKey, validFor: past } })),
    root.certificateAuthorities.map((each) => ({ ...each, validFor: past })),
    root.ctlogs.map((each) => ({ ...each, publicKey: { ...each.publicKey, validFor: past } })),
    root.timestampAuthorities.map((each) => ({ ...each, validFor: past })),
  ];
  for (const changes of [
    { tlogs: log },
    { certificateAuthorities: authority },
    { ctlogs: ctLog },
    { timestampAuthorities: timestamps },
  ]) {
    const ended = trusting([who], { trustedRoot: { ...root, ...changes } });
    expect(await verdict({ policy: ended }), Object.keys(changes)[0]).toBe("SIGNATURE_INVALID");
  }
});

test("a root is refused with an authority without a start, with one kind missing or with nonsense", async () => {
  const root = sigstore.trustedRoot;
  const text = JSON.stringify(root);
  const start = JSON.stringify(root.tlogs[0]?.publicKey.validFor.start);
  const holes = text.split(`"start":${start}`).length - 1;
  expect(holes).toBe(5);
  for (let hole = 0; hole < holes; hole += 1) {
    let seen = -1;
    const changed = text.replaceAll(`"start":${start}`, (found) => {
      seen += 1;
      return seen === hole ? "" : found;
    });
    const trustedRoot = JSON.parse(changed) as typeof root;
    expect(await verdict({ policy: trusting([who], { trustedRoot }) })).toBe("CONFIG_INVALID");
  }
  for (const member of ["tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"]) {
    const trustedRoot = { ...root, [member]: [] };
    expect(await verdict({ policy: trusting([who], { trustedRoot }) })).toBe("CONFIG_INVALID");
  }
  const rawBytes = "AAAA";
  const trustedRoot = {
    ...root,
    ctlogs: root.ctlogs.map((each) => ({ ...each, publicKey: { ...each.publicKey, rawBytes } })),
  };
  expect(await verdict({ policy: trusting([who], { trustedRoot }) })).toBe("CONFIG_INVALID");
});

// Fields that no signature or proof covers. The verifier must not use their values.
const UNBOUND = new Set([
  "logIndex",
  "inclusionProof.treeSize",
  "inclusionProof.rootHash",
  "signatures.0.keyid",
  // May be absent: the inclusion proof already covers what it promises.
  "inclusionPromise",
]);

test.each(["v1", "v2"] as const)(
  "a %s bundle changed in any field is refused or the same",
  async (log) => {
    const signed = JSON.parse(await signKeylessSample(sigstore, archive, who, { log })) as Record<
      string,
      unknown
    >;
    const expected = (await verify({ bundle: JSON.stringify(signed) })).signer;
    const leaves: { holder: Record<string, unknown>; name: string; path: string }[] = [];
    const walk = (holder: Record<string, unknown>, path: string): void => {
      for (const [name, value] of Object.entries(holder)) {
        leaves.push({ holder, name, path: `${path}.${name}` });
        if (typeof value === "object" && value !== null) {
          walk(value as Record<string, unknown>, `${path}.${name}`);
        }
      }
    };
    walk(signed, "");
    expect(leaves.length).toBeGreaterThan(30);
    const loose = new Set<string>();
    for (const { holder, name, path } of leaves) {
      const before = holder[name];
      const flipped =
        typeof before === "string" && before.length > 0
          ? [
              `${before[0] === "A" ? "B" : "A"}${before.slice(1)}`,
              `${before.slice(0, before.length >> 1)}${before[before.length >> 1] === "Q" ? "R" : "Q"}${before.slice((before.length >> 1) + 1)}`,
            ]
          : [];
      for (const value of [...flipped, undefined, null, 7, [], "9007199254740993"]) {
        holder[name] = value;
        try {
          const { signer } = await verify({ bundle: JSON.stringify(signed) });
          expect(signer, path).toEqual(expected);
          loose.add(path);
        } catch (error) {
          if (!(error instanceof SondeError)) throw new Error(path, { cause: error });
          expect(["SIGNATURE_INVALID", "SIGNER_UNTRUSTED", "DIGEST_MISMATCH"], path).toContain(
            error.code,
          );
        }
      }
      holder[name] = before;
    }
    const unexpected = [...loose].filter((path) => ![...UNBOUND].some((end) => path.endsWith(end)));
    expect(unexpected).toEqual([]);
  },
  120_000,
);
