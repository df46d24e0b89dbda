import { describe, expect, test } from "vitest";
import {
  type Frame,
  FrameReader,
  MAX_BODY_BYTES,
  decodeFrame,
  encodeFrame,
  encodeStreamFrame,
} from "./frames.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");
const header = (...lengths: number[]) => {
  const buffer = Buffer.alloc(4 * lengths.length);
  for (const [index, length] of lengths.entries()) buffer.writeUInt32BE(length, 4 * index);
  return buffer;
};

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
  return "taken";
}

describe("a message", () => {
  const decode = (message: Buffer) => decodeFrame(message, 16, "ENVELOPE_INVALID");

  test("is the head's length, the head, and the unchanged body", () => {
    const message = encodeFrame({ a: "é" }, bytes("\xff\x00"));
    expect(message).toEqual(
      Buffer.concat([header(10), Buffer.from('{"a":"é"}'), bytes("\xff\x00")]),
    );
    expect(decode(message)).toEqual({ head: { a: "é" }, body: bytes("\xff\x00") });
    expect(decode(encodeFrame([1]))).toEqual({ head: [1], body: Buffer.alloc(0) });
  });

  test.each<[string, Buffer]>([
    ["without a whole length", Buffer.alloc(3)],
    ["with a head longer than itself", Buffer.concat([header(3), bytes("{}")])],
    ["with a head over the cap", Buffer.concat([header(17), bytes("[1,2,3,4,5,6,7,8]")])],
    ["with a head of no bytes", Buffer.concat([header(0), bytes("{}")])],
    ["with a head that is no JSON", Buffer.concat([header(2), bytes("{x")])],
    ["with a head that has a member twice", Buffer.concat([header(13), bytes('{"a":1,"a":1}')])],
    ["with a head that is no UTF-8", Buffer.concat([header(3), bytes('"\xff"')])],
  ])("%s has the code of its reader", (_, message) => {
    expect(codeOf(() => decode(message))).toBe("ENVELOPE_INVALID");
  });
});

describe("a stream", () => {
  function readAll(stream: Buffer, size: number): Frame[] {
    const seen: Frame[] = [];
    const reader = new FrameReader((frame) => seen.push(frame));
    for (let at = 0; at < stream.length; at += size) reader.push(stream.subarray(at, at + size));
    return seen;
  }

  test("gives the same frames however it is cut", () => {
    const frames: [unknown, Buffer][] = [
      [{ a: "é" }, bytes("")],
      [[1], bytes("\xff\x00\xfe")],
      ["x".repeat(20), bytes("y".repeat(30))],
    ];
    const stream = Buffer.concat(frames.map(([head, body]) => encodeStreamFrame(head, body)));
    for (let size = 1; size <= stream.length; size++) {
      expect(readAll(stream, size)).toEqual(frames.map(([head, body]) => ({ head, body })));
    }
  });

  test("of single bytes takes linear time", () => {
    const costOf = (length: number) => {
      const stream = encodeStreamFrame({}, Buffer.alloc(length));
      const begun = process.cpuUsage();
      expect(readAll(stream, 1)).toHaveLength(1);
      const { user, system } = process.cpuUsage(begun);
      return user + system;
    };
    costOf(30_000);
    // Linear: 16 times the bytes copied. Quadratic would be 256 times.
    expect(costOf(480_000)).toBeLessThan(100 * costOf(30_000));
  });

  const limits = { maxHeadBytes: 10, maxBodyBytes: 20 };
  const takes = (frame: number, head: number) =>
    codeOf(() => new FrameReader(() => undefined, limits).push(header(frame, head)));

  test("with a length above a cap is refused before any more bytes arrive", () => {
    expect(takes(4 + 10 + 20, 10)).toBe("taken");
    expect(takes(4 + 11, 11)).toBe("BAD_REQUEST");
    expect(takes(4 + 10 + 21, 10)).toBe("BAD_REQUEST");
    expect(takes(4 + 5, 6)).toBe("BAD_REQUEST");
    expect(takes(4 + 5, 0)).toBe("BAD_REQUEST");
    expect(takes(0, 1)).toBe("BAD_REQUEST");
    expect(takes(0xffffffff, 0xffffffff)).toBe("BAD_REQUEST");
  });

  test("never gets a frame above the reader's caps", () => {
    const sent = (head: unknown, body: number) =>
      codeOf(() =>
        new FrameReader(() => undefined).push(encodeStreamFrame(head, Buffer.alloc(body))),
      );
    const headOf = (length: number) => "x".repeat(length - 2);
    expect(sent(headOf(1024 * 1024), MAX_BODY_BYTES)).toBe("taken");
    expect(sent(headOf(1024 * 1024 + 1), 0)).toBe("RESULT_TOO_LARGE");
    expect(sent({}, MAX_BODY_BYTES + 1)).toBe("RESULT_TOO_LARGE");
  });
});
