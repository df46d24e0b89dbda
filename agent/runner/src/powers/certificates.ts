import { X509Certificate } from "node:crypto";
import type { Stats } from "node:fs";
import { SondeError } from "@sonde/schemas/errors";
import type { ReadDataByKind } from "@sonde/schemas/reads";
import { filledWith, renderTemplate } from "@sonde/sources";
import { describeCertificate, isSignedBy } from "./certificate.ts";
import { O_NOFOLLOW, O_PATH } from "./file-calls.ts";
import { TRUSTED } from "./host-trust.ts";
import { listNames } from "./list-names.ts";
import { type Found, join, openFound, withPath, withPathIn } from "./open-path.ts";
import type { Look, Power, PowerContext } from "./power.ts";
import { readBytes } from "./read-bytes.ts";
import { readFailure } from "./read-failure.ts";

type Entry = ReadDataByKind["certificates"]["certificateFiles"][number];
type State = {
  look: Look<"certificates">;
  limits: { maxEntries: number; maxBytes: number };
  context: PowerContext;
  /** Files that were read, by device and number: many links may lead to one. */
  seen: Set<string>;
};

const NAMES = /\.(?:pem|crt|cer|cert|der)$/i;
/** Files and folders that are not opened, since by their names they hold private keys. */
const KEYS = /(?:^|[^a-z])(?:privkey|private|priv|keys?)\d*(?:[^a-z]|$)/i;
/** Links by which OpenSSL finds a certificate that lies beside them. */
const HASHES = /^[0-9a-f]{8}\.[0-9]+$/;
/** What a distribution trusts is of no interest, and much. */
const TRUST_FOLDERS = [
  "/usr/share/ca-certificates/",
  "/etc/pki/ca-trust/",
  "/var/lib/ca-certificates/",
];

const MOST_FILE_BYTES = 262_144;
const MOST_IN_A_FILE = 10;
const PEM =
  /-----BEGIN ((?:TRUSTED )?CERTIFICATE|X509 CERTIFICATE)-----[A-Za-z0-9+/=\s]+-----END \1-----/g;

/**
 * Finds certificates in the files beneath a folder. What is given of a file is what certificates in it
 * say. No other byte of it leaves this function, and a file that is named as a key is not opened.
 */
export const readCertificates: Power<"certificates"> = async (source, values, context) => {
  const path = renderTemplate(source.path, filledWith(values));
  return withPath(path, "directory", context.denyPaths, async (directory) => {
    const look: Look<"certificates"> = {
      ...{ data: { certificateFiles: [] }, truncated: false, bytes: 0, margins: {} },
    };
    await addBeneath({ look, limits: source, context, seen: new Set() }, directory, source.depth);
    return look;
  });
};

async function addBeneath(state: State, directory: Found, depth: number): Promise<void> {
  const { look, limits, context } = state;
  for (const name of await listNames(directory)) {
    if (context.signal.aborted) throw new SondeError("READ_TIMEOUT", "the files took too long");
    if (KEYS.test(name) || HASHES.test(name)) continue;
    const path = join(directory.path, name);
    try {
      const stat = await statOf(directory, name);
      if (stat === null) continue;
      if (stat.isDirectory()) {
        if (depth === 1) continue;
        await withPathIn(directory, name, "directory", context.denyPaths, (inner) =>
          addBeneath(state, inner, depth - 1),
        );
      } else if (NAMES.test(name) && (stat.isFile() || stat.isSymbolicLink())) {
        const entry = await withPathIn(directory, name, "file", context.denyPaths, (found) =>
          readOne(state, found, path),
        );
        if (entry !== null) add(state, entry);
      }
    } catch (error) {
      const failure = readFailure(error, path);
      if (failure.code === "READ_TIMEOUT") throw failure;
      // A link that leads nowhere, or a file that has vanished.
      if (failure.code === "SOURCE_NOT_FOUND") continue;
      const { code, message } = failure;
      add(state, { path, certificates: [], failure: { code, message } });
    }
    if (look.data.certificateFiles.length >= limits.maxEntries || look.truncated) {
      look.truncated = true;
      return;
    }
  }
}

function add({ look, limits }: State, entry: Entry): void {
  const bytes = Buffer.byteLength(JSON.stringify(entry));
  if (look.bytes + bytes > limits.maxBytes) {
    look.truncated = true;
    return;
  }
  look.bytes += bytes;
  look.data.certificateFiles.push(entry);
}

/** Looks at one entry without opening it. Null when it has vanished. */
async function statOf({ calls, fd: folder, path }: Found, name: string): Promise<Stats | null> {
  let fd: number;
  try {
    fd = await calls.open(`/proc/self/fd/${folder}/${name}`, O_PATH | O_NOFOLLOW);
  } catch (error) {
    const failure = readFailure(error, join(path, name));
    if (failure.code === "SOURCE_NOT_FOUND") return null;
    throw failure;
  }
  try {
    return await calls.stat(fd);
  } finally {
    await calls.close(fd);
  }
}

/** Null for a file without a certificate, for one that was read, and for what the host trusts. */
async function readOne({ seen }: State, found: Found, path: string): Promise<Entry | null> {
  const isTrust = TRUST_FOLDERS.some((folder) => found.path.startsWith(folder));
  if (isTrust || TRUSTED.includes(found.path)) return null;
  // A link may lead to a key by another name.
  if (found.path !== path && KEYS.test(found.path.slice(found.path.lastIndexOf("/")))) return null;
  const { dev, ino } = await found.calls.stat(found.fd);
  const id = `${dev}:${ino}`;
  if (seen.has(id)) return null;
  seen.add(id);
  const fd = await openFound(found, found.path);
  try {
    const read = await readBytes(found.calls, fd, MOST_FILE_BYTES + 1);
    return parse(read.subarray(0, MOST_FILE_BYTES), read.length > MOST_FILE_BYTES, path);
  } finally {
    await found.calls.close(fd);
  }
}

function parse(bytes: Buffer, isCut: boolean, path: string): Entry | null {
  // A certificate in DER is a sequence, which begins so.
  const isBinary = bytes[0] === 0x30;
  const text = isBinary ? "" : bytes.toString("latin1");
  const blocks = isBinary ? [bytes] : [...text.matchAll(PEM)].map(([block]) => block);
  const readable: X509Certificate[] = [];
  for (const block of blocks.slice(0, MOST_IN_A_FILE)) {
    const certificate = parseOne(block);
    if (certificate !== null) readable.push(certificate);
  }
  if (blocks.length === 0) return null;
  const certificates = readable.map((certificate, index) => {
    const next = readable[index + 1];
    return {
      ...describeCertificate(certificate),
      isAuthority: certificate.ca,
      isSelfSigned: isSignedBy(certificate, certificate),
      ...(next !== undefined && { isSignedByNext: isSignedBy(certificate, next) }),
    };
  });
  const unreadCount = blocks.length - certificates.length;
  return {
    path,
    certificates,
    ...((unreadCount > 0 || isCut) && { unreadCount: Math.max(1, unreadCount) }),
    ...(/-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----/.test(text) && {
      hasPrivateKey: true as const,
    }),
  };
}

/** Null for what is none, and for one with a key or a date of a kind that Node does not read. */
function parseOne(block: Buffer | string): X509Certificate | null {
  try {
    const certificate = new X509Certificate(block);
    describeCertificate(certificate);
    isSignedBy(certificate, certificate);
    return certificate;
  } catch {
    return null;
  }
}
