import { expect, test } from "vitest";
import { splitOutput } from "./container-output.ts";

const frame = (stream: number, text: string): Buffer => {
  const header = Buffer.alloc(8);
  header.writeUInt8(stream, 0);
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
};

/** What is given of bytes that arrive so many at a time. */
async function split(sent: Buffer, size = sent.length): Promise<string> {
  async function* arrive(): AsyncGenerator<Buffer> {
    for (let at = 0; at < sent.length; at += size) {
      yield await Promise.resolve(sent.subarray(at, at + size));
    }
  }
  const parts: Buffer[] = [];
  for await (const part of splitOutput(arrive())) parts.push(part);
  return Buffer.concat(parts).toString();
}

const sent = Buffer.concat([
  frame(1, "2026-01-01T00:00:00Z one\n"),
  frame(2, `2026-01-01T00:00:01Z ${"ü".repeat(200)}\n`),
  frame(1, ""),
  frame(1, "2026-01-01T00:00:02Z two\n"),
]);

test("each line has its stream before it, however the bytes arrive", async () => {
  const whole = await split(sent);
  expect(whole).toBe(
    `out 2026-01-01T00:00:00Z one\nerr 2026-01-01T00:00:01Z ${"ü".repeat(200)}\nout 2026-01-01T00:00:02Z two\n`,
  );
  for (const size of [1, 2, 3, 7, 8, 9, 100]) expect(await split(sent, size)).toBe(whole);
});

// Attack 55.
test("a line that several frames have ends with the first, so that no half of a secret stands alone", async () => {
  const long = Buffer.concat([
    frame(1, "T PASSWORD=first-half"),
    frame(2, "T meanwhile\n"),
    frame(1, "T second-half"),
    frame(1, "T third\nT a new one\n"),
    frame(1, "T later\n"),
  ]);
  for (const size of [1, 5, long.length]) {
    expect(await split(long, size)).toBe(
      "out T PASSWORD=first-half\nerr T meanwhile\nout T a new one\nout T later\n",
    );
  }
});

test("a container cannot say that a line of its own came from elsewhere", async () => {
  expect(await split(frame(1, "T a\nerr T b\n"))).toBe("out T a\nout err T b\n");
});

test("a terminal has no frames", async () => {
  const lines = "2026-01-01T00:00:00Z one\r\n2026-01-01T00:00:01Z two\r\n";
  for (const size of [1, 8, 100]) {
    expect(await split(Buffer.from(lines), size)).toBe(lines.replaceAll("2026", "tty 2026"));
  }
  expect(await split(Buffer.from("a"))).toBe("tty a\n");
  expect(await split(Buffer.alloc(0))).toBe("");
});

test.each([
  ["a cut header", sent.subarray(0, sent.length - 30)],
  ["a cut frame", sent.subarray(0, 20)],
  ["no header after a frame", Buffer.concat([frame(1, "T a\n"), Buffer.from("T b of none\n")])],
  ["a stream that is none", Buffer.concat([frame(1, "T a\n"), frame(4, "T b\n")])],
])("%s is a failure", async (_what, bytes) => {
  await expect(split(bytes)).rejects.toMatchObject({ code: "READ_FAILED" });
});
