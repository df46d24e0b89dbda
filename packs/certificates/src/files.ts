import { type Look, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText } from "@sonde/pack-sdk/parse";
import { certificate, showTimes } from "./show.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 50;
type File = Look<"certificates">["certificateFiles"][number];

export const files = probe({
  description:
    "The certificates in files of the host (/etc/ssl, /etc/letsencrypt/live, /etc/nginx and the like), the one that ends first " +
    "first: days left, names, issuer, key, and whether each is signed by the next in its file. No private key is read.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    certificates: t.array(
      t.object({
        path: t.string(),
        ...certificate,
        isAuthority: t.boolean({ description: "it may sign others" }),
        isSelfSigned: t.boolean(),
        otherPaths: t.array(t.string(), { description: "files with the same certificate" }),
      }),
    ),
    certificateCount: t.integer({ description: "before the limit" }),
    expiredCount: t.integer(),
    brokenChains: t.array(t.object({ path: t.string(), subject: t.string() }), {
      description: "a certificate that the next one in its file did not sign",
    }),
    besidePrivateKeys: t.array(t.object({ path: t.string() }), {
      description: "files that also have a private key, and that this pack's runner may read",
    }),
    unreadable: t.array(t.object({ path: t.string(), reason: t.string() })),
    incomplete: t.boolean(),
  }),
  reads: {
    ssl: read(sources.etcSsl, { optional: true }),
    pki: read(sources.etcPki, { optional: true }),
    letsEncrypt: read(sources.letsEncrypt, { optional: true }),
    nginx: read(sources.etcNginx, { optional: true }),
    apache: read(sources.etcApache, { optional: true }),
    haproxy: read(sources.etcHaproxy, { optional: true }),
  },
  run({ params, reads, now }) {
    const all: File[] = [];
    const unreadable: { path: string; reason: string }[] = [];
    let incomplete = false;
    for (const outcome of Object.values(reads)) {
      if (outcome.ok) {
        all.push(...outcome.certificateFiles);
        incomplete ||= outcome.truncated;
      } else if (outcome.failure.code !== "SOURCE_NOT_FOUND") {
        // The message begins with the folder.
        const [path = ""] = outcome.failure.message.split(/[: ]/, 1);
        unreadable.push({ path, reason: outcome.failure.message });
      }
    }
    for (const { path, failure, unreadCount } of all) {
      if (failure !== undefined) unreadable.push({ path, reason: failure.message });
      if (unreadCount !== undefined) {
        unreadable.push({ path, reason: `${unreadCount} certificates in it could not be read` });
      }
    }
    const found = mergeSame(all).sort(
      (a, b) => a.notAfter - b.notAfter || compareText(a.path, b.path),
    );
    const shown = found.map((one) => ({ ...one, ...showTimes(one, now) }));
    return {
      certificates: shown.slice(0, params.limit ?? DEFAULT_LIMIT),
      certificateCount: shown.length,
      expiredCount: shown.filter(({ daysLeft }) => daysLeft < 0).length,
      brokenChains: all.flatMap(({ path, certificates }) =>
        certificates.flatMap(({ subject, isSignedByNext }) =>
          isSignedByNext === false ? [{ path, subject }] : [],
        ),
      ),
      besidePrivateKeys: all.flatMap(({ path, hasPrivateKey }) =>
        hasPrivateKey ? [{ path }] : [],
      ),
      unreadable,
      incomplete,
    };
  },
});

/** A certificate stands in its own file and in that of its chain. */
function mergeSame(all: readonly File[]) {
  const found = new Map<string, Omit<File["certificates"][number], "isSignedByNext"> & Paths>();
  for (const { path, certificates } of all) {
    for (const { isSignedByNext: _, ...one } of certificates) {
      const id = [one.serial, one.publicKeySha256, one.notAfter, one.issuer].join(" ");
      const known = found.get(id);
      if (known === undefined) found.set(id, { path, ...one, otherPaths: [] });
      else if (known.path !== path) known.otherPaths.push(path);
    }
  }
  return [...found.values()];
}

type Paths = { path: string; otherPaths: string[] };
