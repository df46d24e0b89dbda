import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync, crc32, gzipSync } from "node:zlib";
import { SondeError } from "@sonde/schemas/errors";
import { expect, test } from "vitest";
import { MAX_UNPACKED_BYTES } from "./archive-layout.ts";
import { buildGzipMember, readGzipMember } from "./gzip-member.ts";
import {
  type ArchiveFile,
  archiveDigest,
  contentDigest,
  readArchive,
  writeArchive,
} from "./index.ts";
import { buildTarHeader } from "./tar-header.ts";

const text = (path: ArchiveFile["path"], content: string): ArchiveFile => ({
  path,
  bytes: Uint8Array.from(Buffer.from(content)),
});
const FILES = [
  text("pack.json", '{"manifest":1}\n'),
  text("index.js", "var pack = {};\n".repeat(50)),
  text("README.md", "# Hello\n"),
  text("LICENSE", "MIT\n"),
];
const archive = writeArchive(FILES);
const tar = readGzipMember(archive);

const refused = expect.objectContaining({ code: "ARCHIVE_INVALID" });
/** Returns the code with which an archive is refused, or "accepted". */
function verdict(bytes: Uint8Array): string {
  try {
    readArchive(bytes);
    return "accepted";
  } catch (error) {
    return error instanceof SondeError ? error.code : "no code";
  }
}
/** Gzips a tar with one changed header and a correct checksum. */
function withHeader(change: (header: Buffer) => void, file = 0): Uint8Array {
  const copy = Buffer.from(tar);
  let at = 0;
  for (let i = 0; i < file; i += 1) {
    at +=
      512 + Math.ceil(Number.parseInt(copy.toString("ascii", at + 124, at + 135), 8) / 512) * 512;
  }
  const header = copy.subarray(at, at + 512);
  change(header);
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "ascii");
  return buildGzipMember(copy);
}
const put = (at: number, length: number, value: string) => (header: Buffer) => {
  header.fill(0, at, at + length);
  header.write(value, at, "utf8");
};

test("an archive reads back as written, whatever the order of its input", () => {
  const paths = readArchive(archive).map((file) => file.path);
  expect(paths).toEqual(["LICENSE", "README.md", "index.js", "pack.json"]);
  expect(writeArchive(FILES.toReversed())).toEqual(archive);
  expect(contentDigest(readArchive(archive))).toBe(contentDigest(FILES));
});

test("the bytes are the same on any day and machine", () => {
  // A fixed value on purpose: if it changes, the format has changed.
  expect(contentDigest(FILES)).toBe(
    "sha256:81d2cdeefb2b88ad934ff0ea49e595451269bf7dd160076298c028e674f47eb1",
  );
  expect(archiveDigest(archive)).toBe(
    "sha256:03e67421febd7e75000ddc4f8664303a5368463962a6b3f5571392f46148031d",
  );
});

test("ordinary tar reads an archive", () => {
  const folder = mkdtempSync(join(tmpdir(), "sonde-archive-"));
  try {
    writeFileSync(join(folder, "a.tgz"), archive);
    execFileSync("tar", ["xzf", "a.tgz"], { cwd: folder });
    expect(readFileSync(join(folder, "pack.json"), "utf8")).toBe('{"manifest":1}\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a compressed member is read too", () => {
  expect(readArchive(member(deflateRawSync(tar), tar))).toEqual(readArchive(archive));
});

// Attack 41.
test("one changed byte at any offset is refused", () => {
  for (let at = 0; at < archive.length; at += 1) {
    const copy = Uint8Array.from(archive);
    copy[at] = copy[at]! ^ 1;
    expect(verdict(copy)).toBe("ARCHIVE_INVALID");
  }
});

// Attack 41.
test("an archive cut short at any length is refused", () => {
  for (let length = 0; length < archive.length; length += 1) {
    expect(verdict(archive.subarray(0, length))).toBe("ARCHIVE_INVALID");
  }
});

test.each<[string, Uint8Array]>([
  ["data after the end", Buffer.concat([archive, Buffer.from("x")])],
  ["a second gzip member", Buffer.concat([archive, archive])],
  ["an empty second member", Buffer.concat([archive, gzipSync("")])],
  ["zero bytes after the member", Buffer.concat([archive, Buffer.alloc(512)])],
  ["a wrong checksum in the trailer", replaceAt(archive, archive.length - 8, 4)],
  ["a lying length in the trailer", replaceAt(archive, archive.length - 4, 4)],
  ["a gzip header with a name", gzipWithName(tar)],
  ["no gzip at all", tar],
  ["a bomb", member(deflateRawSync(Buffer.alloc(20_000_000)), Buffer.alloc(0))],
  [
    "more bytes than the cap",
    Buffer.concat([archive.subarray(0, 10), Buffer.alloc(3 * 1024 * 1024)]),
  ],
])("%s is refused", (_what, bytes) => expect(verdict(bytes)).toBe("ARCHIVE_INVALID"));

test("a bomb is stopped at the cap, though its trailer is right", () => {
  const content = Buffer.alloc(2 * MAX_UNPACKED_BYTES);
  const bomb = member(deflateRawSync(content), content);
  expect(() => readGzipMember(bomb)).toThrowError(refused);
});

const NAMES: [string, string][] = [
  ["a path escape", "../pack.json"],
  ["an escape behind a right name", "LICENSE/../../x"],
  ["an escape with backslashes", "..\\pack.json"],
  ["a drive", "C:LICENSE"],
  ["a folder's name", "LICENSE/"],
  ["an absolute path", "/etc/passwd"],
  ["a folder in front", "./LICENSE"],
  ["another case", "license"],
  ["a name that is cut at NUL", "LICENSE\0.js"],
  ["a right-to-left override", "LICEN\u202eSE"],
  ["a Unicode look-alike", "LICENS\u0395"],
  ["a name that is the same when normalised", "LICENS\uff25"],
  ["a name with a combining mark", "LICENSE\u0301"],
  ["a name with a blank of no width", "LICENSE\u200b"],
  ["a control character", "LICENSE\n"],
  ["an unknown file", "evil.sh"],
  ["a repeated file", "README.md"],
  ["no name", ""],
];
// Attack 42.
test.each(NAMES)("%s as a name is refused", (_what, name) => {
  expect(verdict(withHeader(put(0, 100, name)))).toBe("ARCHIVE_INVALID");
});

test.each<[string, (header: Buffer) => void]>([
  ["setuid", put(100, 8, "0004755")],
  ["executable", put(100, 8, "0000755")],
  ["an owner", put(108, 8, "0001750")],
  ["a group", put(116, 8, "0001750")],
  ["a time", put(136, 12, "14000000000")],
  ["a hard link", put(156, 1, "1")],
  ["a symbolic link", put(156, 1, "2")],
  ["a character device", put(156, 1, "3")],
  ["a block device", put(156, 1, "4")],
  ["a folder", put(156, 1, "5")],
  ["a fifo", put(156, 1, "6")],
  ["a pax header", put(156, 1, "x")],
  ["a global pax header", put(156, 1, "g")],
  ["a GNU long name", put(156, 1, "L")],
  ["a GNU long link", put(156, 1, "K")],
  ["a GNU sparse file", put(156, 1, "S")],
  ["a contiguous file", put(156, 1, "7")],
  ["the old type byte", put(156, 1, "")],
  ["a link target", put(157, 100, "/etc/shadow")],
  ["GNU magic", put(257, 8, "ustar  ")],
  ["no magic", put(257, 8, "")],
  ["an owner's name", put(265, 32, "root")],
  ["a group's name", put(297, 32, "root")],
  ["a device number", put(329, 8, "0000001")],
  ["a prefix folder", put(345, 155, "..")],
  ["a prefix as deep as it can be", put(345, 155, "d/".repeat(77))],
  ["bytes in the filler", put(500, 12, "hidden")],
  ["a size in base 256", (h) => h.fill(0xff, 124, 136)],
  ["a negative size", put(124, 12, "-0000000004")],
  ["a size with blanks", put(124, 12, "         4 ")],
  ["an empty file", put(124, 12, "00000000000")],
  ["a size above the cap", put(124, 12, "00000400001")],
  ["a size larger than the file", put(124, 12, "00000002000")],
  ["a size smaller than the file", put(124, 12, "00000000003")],
])("a header with %s is refused", (_what, change) =>
  expect(verdict(withHeader(change))).toBe("ARCHIVE_INVALID"),
);

// Attack 42.
test("a bomb of a hundred thousand files is refused, and so is a small one of many", () => {
  const header = buildTarHeader("LICENSE", 1);
  const many = (count: number): Uint8Array => {
    const content = Buffer.alloc(count * 1024);
    for (let at = 0; at < content.length; at += 1024) header.copy(content, at);
    return member(deflateRawSync(content), content);
  };
  expect(verdict(many(1000))).toBe("ARCHIVE_INVALID");
  expect(verdict(many(100_000))).toBe("ARCHIVE_INVALID");
});

test("a file one byte above its cap is refused, though its header is right", () => {
  const files = FILES.toSorted((a, b) => (a.path < b.path ? -1 : 1)).map((file) =>
    entry(file.path, file.path === "LICENSE" ? "x".repeat(65537) : "y"),
  );
  const bytes = buildGzipMember(Buffer.concat([...files, Buffer.alloc(1024)]));
  expect(verdict(bytes)).toBe("ARCHIVE_INVALID");
});

test("an archive blown up with empty deflate blocks is refused unread", () => {
  const emptyBlock = Buffer.from([0, 0, 0, 0xff, 0xff]);
  const padded = (count: number): Buffer =>
    Buffer.concat([
      archive.subarray(0, 10),
      ...Array(count).fill(emptyBlock),
      archive.subarray(10),
    ]);
  expect(verdict(padded(10))).toBe("accepted");
  expect(verdict(padded(420_000))).toBe("ARCHIVE_INVALID");
});

test("a header whose checksum is wrong is refused", () => {
  const copy = Buffer.from(tar);
  copy.write("0000000\0", 148, "ascii");
  expect(verdict(buildGzipMember(copy))).toBe("ARCHIVE_INVALID");
});

test("bytes hidden in the padding are refused", () => {
  const copy = Buffer.from(tar);
  copy[512 + 100] = 1;
  expect(verdict(buildGzipMember(copy))).toBe("ARCHIVE_INVALID");
});

test.each<[string, Buffer]>([
  ["one zero block at the end", tar.subarray(0, -512)],
  ["no zero block at the end", tar.subarray(0, -1024)],
  ["three zero blocks at the end", Buffer.concat([tar, Buffer.alloc(512)])],
  [
    "a fifth file",
    Buffer.concat([tar.subarray(0, -1024), entry("pack.json", "{}"), Buffer.alloc(1024)]),
  ],
  ["a file behind the zero blocks", Buffer.concat([tar, entry("pack.json", "{}")])],
  ["something in the zero blocks", replaceBuffer(tar, tar.length - 1)],
  ["nothing", Buffer.alloc(1024)],
])("a tar with %s is refused", (_what, bytes) =>
  expect(verdict(buildGzipMember(bytes))).toBe("ARCHIVE_INVALID"),
);

test("a missing file is refused by writer and reader alike", () => {
  for (const { path } of FILES) {
    const rest = FILES.filter((file) => file.path !== path);
    expect(() => writeArchive(rest)).toThrowError(refused);
    expect(() => writeArchive([...rest, rest[0]!])).toThrowError(refused);
    const blocks = rest
      .toSorted((a, b) => (a.path < b.path ? -1 : 1))
      .map((file) => entry(file.path, Buffer.from(file.bytes).toString()));
    expect(verdict(buildGzipMember(Buffer.concat([...blocks, Buffer.alloc(1024)])))).toBe(
      "ARCHIVE_INVALID",
    );
  }
});

test("the content digest changes with every swapped byte and file", () => {
  const swapped = [
    text("pack.json", "# Hello\n"),
    text("README.md", '{"manifest":1}\n'),
    ...FILES.slice(1, 2),
    ...FILES.slice(3),
  ];
  expect(contentDigest(swapped)).not.toBe(contentDigest(FILES));
});

function entry(path: string, content: string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([
    buildTarHeader(path, bytes.length),
    bytes,
    Buffer.alloc((512 - (bytes.length % 512)) % 512),
  ]);
}

function member(deflated: Buffer, content: Buffer): Buffer {
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  return Buffer.concat([archive.subarray(0, 10), deflated, trailer]);
}

function gzipWithName(content: Buffer): Buffer {
  const plain = buildGzipMember(content);
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 8;
  return Buffer.concat([header, Buffer.from("evil\0"), plain.subarray(10)]);
}

function replaceAt(bytes: Uint8Array, at: number, length: number): Buffer {
  const copy = Buffer.from(bytes);
  for (let i = at; i < at + length; i += 1) copy[i] = copy[i]! ^ 0xff;
  return copy;
}

function replaceBuffer(bytes: Buffer, at: number): Buffer {
  return replaceAt(bytes, at, 1);
}
