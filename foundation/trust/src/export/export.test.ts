import { buildTarHeader } from "../archive/tar-header.ts";
import { SondeError } from "@sonde/schemas/errors";
import { describe, expect, test } from "vitest";
import { EXPORT_END, encodeMember } from "./encode-member.ts";
import { createExportReader } from "./export-reader.ts";
import { archiveMember, bundleMember, entriesMember } from "./layout.ts";

const HELLO = { name: "hello", maxBytes: 1000 };
const WORLD = { name: "world", maxBytes: 1000 };

/** Splits bytes at places that match no boundary of the format. */
async function* inPieces(bytes: Uint8Array, size = 100): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const open = (...parts: Uint8Array[]) => createExportReader(inPieces(Buffer.concat(parts)));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "accepted",
    (error: unknown) => (error instanceof SondeError ? error.code : String(error)),
  );
const readWhole = async (...parts: Uint8Array[]): Promise<string> => {
  const reader = open(...parts);
  return await codeOf(reader.demand(HELLO).then(() => reader.demandEnd()));
};
const hi = Buffer.from("hi");
const hello = encodeMember(HELLO, hi);
/** The same member with other bytes in one header field, and a correct checksum. */
const withHeader = (change: (header: Buffer) => void): Buffer => {
  const bytes = Buffer.from(hello);
  change(bytes);
  bytes.fill(0x20, 148, 156);
  const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "ascii");
  return bytes;
};

test("members are read in their order, and only by their names", async () => {
  const reader = open(hello, encodeMember(WORLD, Buffer.alloc(512, 1)), EXPORT_END);
  expect(await reader.take(WORLD)).toBeNull();
  expect((await reader.demand(HELLO)).toString()).toBe("hi");
  expect(await reader.take(HELLO)).toBeNull();
  expect(await reader.take(WORLD)).toHaveLength(512);
  expect(await reader.take(WORLD)).toBeNull();
  await reader.demandEnd();
});

test("the longest possible names fit a header", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const id = { level: null, index: Number.MAX_SAFE_INTEGER, width: 255 };
  for (const { name } of [archiveMember(digest), bundleMember(digest), entriesMember(id)]) {
    expect(name.length).toBeLessThan(100);
  }
});

describe("attack class 42: only files that this program could write are exports", () => {
  test.each<[string, Uint8Array[]]>([
    ["another name", [encodeMember(WORLD, hi), EXPORT_END]],
    ["a name that climbs", [encodeMember({ ...HELLO, name: "../hello" }, hi), EXPORT_END]],
    ["an absolute name", [encodeMember({ ...HELLO, name: "/hello" }, hi), EXPORT_END]],
    ["a symbolic link", [withHeader((header) => header.write("2", 156)), EXPORT_END]],
    ["a hard link", [withHeader((header) => header.write("1", 156)), EXPORT_END]],
    ["a device", [withHeader((header) => header.write("3", 156)), EXPORT_END]],
    ["an extended header", [withHeader((header) => header.write("x", 156)), EXPORT_END]],
    ["a link's target", [withHeader((header) => header.write("/etc", 157)), EXPORT_END]],
    ["a prefix", [withHeader((header) => header.write("..", 345)), EXPORT_END]],
    ["an owner", [withHeader((header) => header.write("root", 265)), EXPORT_END]],
    ["a mode with setuid", [withHeader((header) => header.write("0004755", 100)), EXPORT_END]],
    ["a size in base 256", [withHeader((header) => header.writeUInt8(0x80, 124)), EXPORT_END]],
    ["more than it may be", [encodeMember(HELLO, Buffer.alloc(1001)), EXPORT_END]],
    ["a size of gigabytes", [buildTarHeader(HELLO.name, 8 ** 11 - 1), Buffer.alloc(4096)]],
    ["padding with bytes", [hello.subarray(0, 1023), Buffer.from("x"), EXPORT_END]],
    ["a member twice", [hello, hello, EXPORT_END]],
    ["one more member", [hello, encodeMember(WORLD, hi), EXPORT_END]],
    ["something after the end", [hello, EXPORT_END, Buffer.from("x")]],
    ["one zero block for two", [hello, EXPORT_END.subarray(512)]],
    ["no end", [hello]],
    ["a member cut off", [hello.subarray(0, 700)]],
    ["a header cut off", [hello.subarray(0, 500)]],
    ["nothing", []],
  ])("%s", async (_what, parts) => {
    expect(await readWhole(...parts)).toBe("EXPORT_INVALID");
  });

  test("a member that is cut off is not returned", async () => {
    expect(await codeOf(open(hello.subarray(0, 513)).demand(HELLO))).toBe("EXPORT_INVALID");
  });

  test("a valid export is accepted", async () => {
    expect(await readWhole(hello, EXPORT_END)).toBe("accepted");
  });
});
