import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { SondeError } from "../errors.ts";
import { readCapped } from "./read-capped.ts";

const tooLarge = () => new SondeError("BODY_TOO_LARGE", "expected less");
const read = (stream: Readable) => readCapped(stream, 10, tooLarge);

test("a body up to the cap arrives whole, however it is cut", async () => {
  expect((await read(Readable.from([Buffer.from("01234"), Buffer.from("56789")]))).toString()).toBe(
    "0123456789",
  );
  expect(await readCapped(null, 10, tooLarge)).toHaveLength(0);
});

test("reading stops as soon as a body exceeds the cap", async () => {
  let given = 0;
  const long = Readable.from(
    (function* () {
      for (; given < 1000; given += 1) yield Buffer.alloc(4);
    })(),
    { highWaterMark: 1 },
  );
  await expect(read(long)).rejects.toMatchObject({ code: "BODY_TOO_LARGE" });
  expect(long.destroyed).toBe(true);
  expect(given).toBeLessThan(10);
});
