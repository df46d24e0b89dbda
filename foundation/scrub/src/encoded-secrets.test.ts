import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { compileOwnRules } from "./own-patterns.ts";
import { scrubPlainText } from "./plain-text.ts";
import { type ScrubRun, scrub, scrubWindow, startOwn } from "./scrub.ts";
import { buildIndependent } from "./testing/independent-corpus.ts";
import { buildInnocents } from "./testing/innocent-corpus.ts";
import { buildSecrets } from "./testing/secret-corpus.ts";
import { tally } from "./testing/tally.ts";

const startRun = (): ScrubRun => ({ deadline: Infinity, now: () => 0, counts: new Map() });
const clean = (text: string) => String(scrub(text, startRun()));
/** True when no rule replaces a part of the encoded text as it is. */
const isLeftByRules = (text: string) => {
  const run = { now: () => 0, onShown: () => undefined, isDecoded: true };
  return scrubPlainText(text, { from: 0, to: text.length }, run).text === text;
};
const base64 = (text: string) => Buffer.from(text).toString("base64");
const lines = (text: string, width: number) =>
  text.replaceAll(new RegExp(`.{${width}}`, "g"), "$&\n");

const percent = (text: string) =>
  [...Buffer.from(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9_.-]/.test(character)
        ? character
        : `%${byte.toString(16).padStart(2, "0").toUpperCase()}`;
    })
    .join("");
const jsonEscaped = (text: string) =>
  text.replaceAll(
    /[^A-Za-z0-9]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
const shellEscaped = (text: string) =>
  text.replaceAll(/[^A-Za-z0-9_.:-]/g, (one) =>
    one === "\n" ? "\\012" : `\\x${one.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );

const ENCODINGS: [string, (text: string) => string][] = [
  ["base64", (text) => `value ${base64(text)} end`],
  ["base64url", (text) => `/x?v=${Buffer.from(text).toString("base64url")}&a=1`],
  ["a block of base64", (text) => `data:\n${lines(base64(`${"x".repeat(90)}\n${text}`), 76)}\nend`],
  ["UTF-16 in base64", (text) => `-e ${Buffer.from(text, "utf16le").toString("base64")}`],
  ["hex", (text) => `0x${Buffer.from(text).toString("hex")} end`],
  ["percent-encoding", (text) => `/x?v=${percent(text)}&a=1`],
  ["JSON escapes", (text) => `{"a": "${jsonEscaped(text)}", "b": [}`],
  ["shell escapes", (text) => `printf $'${shellEscaped(text)}' | app`],
];

test.each(ENCODINGS)("attack 53: a secret in %s is replaced with all of its run", (_, encode) => {
  const ascii = buildSecrets(3).filter(({ text }) => /^[\t\n -~]+$/.test(text) && text.length > 10);
  const tried = ascii
    // What the rules miss in the open they cannot find in an encoding.
    .filter(({ text }) => clean(text).includes("[redacted:"))
    .map(({ family, text }) => {
      const encoded = encode(text);
      return { family, text: encoded, isRight: clean(encoded).includes("[redacted:") };
    });
  expect(tried.length).toBeGreaterThan(150);
  expect(tally("caught", tried, false).whole).toBeGreaterThanOrEqual(0.97);
});

test.each(ENCODINGS)("attack 55: an innocent text in %s stays as it is", (_, encode) => {
  const texts = [...buildInnocents(2), ...buildIndependent("innocents", 7)];
  const tried = texts
    .filter(({ text }) => clean(text) === text && isLeftByRules(encode(text)))
    .map(({ family, text }) => {
      const encoded = encode(text);
      return { family, text: encoded, isRight: clean(encoded) === encoded };
    });
  expect(tried.length).toBeGreaterThan(1000);
  expect(tally("kept", tried).whole).toBeGreaterThanOrEqual(0.995);
});

test("attack 55: digests, ids, images, certificates and public keys stay", () => {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const pem = String(publicKey.export({ type: "spki", format: "pem" }));
  // One in 200,000 digests has the form of some service's token by chance, so they are fixed here.
  const texts = Array.from({ length: 3000 }, (_, index) => {
    const bytes = createHash("sha512")
      .update(`digest ${index}`)
      .digest()
      .subarray(0, 16 + (index % 48));
    return [
      bytes.toString("hex"),
      `sha256-${bytes.toString("base64")}`,
      `SHA256:${createHash("sha256").update(bytes).digest("base64url")}`,
    ];
  }).flat();
  const image = `data:image/png;base64,${randomBytes(6000).toString("base64")}`;
  const words =
    "/usr/lib/x86_64-linux-gnu/ CamelCaseNameOfAnInterfaceThatIsLong %20 C:\\Users\\x64";
  for (const text of [...texts, pem, image, words]) expect(clean(text)).toBe(text);
});

test("the marker has the rule's name, and stands for the whole run and nothing else", () => {
  const secret = base64("url: postgres://app:s3cret@db/x");
  expect(clean(`a ${secret} b`)).toBe("a [redacted:url-credentials] b");
  expect(clean(`{"a":"${secret}"}`)).toBe('{"a":"[redacted:url-credentials]"}');
  expect(clean("GET /go?to=https%3A%2F%2Fapp%3As3cret%40db%2Fx&from=1")).toBe(
    "GET /go?to=[redacted:url-credentials]&from=1",
  );
  expect(clean("open postgres:\\/\\/app:s3cret@db\\/x now")).toBe(
    "open [redacted:url-credentials] now",
  );
  const block = lines(base64(`${"first line of it\n".repeat(12)}DB_PASSWORD=hunter2\n`), 64);
  expect(clean(`file:\n${block}\nnext line`)).toBe("file:\n[redacted:password]\nnext line");
});

test("an encoding inside of an encoding is not decoded", () => {
  const twice = base64(base64("DB_PASSWORD=hunter2"));
  expect(clean(twice)).toBe(twice);
});

test("an own pattern is found in an encoding", async () => {
  const own = await compileOwnRules([
    { name: "badge", pattern: "BADGE-[0-9]{6}", example: "BADGE-000000" },
  ]);
  const run = { ...startRun(), own: startOwn(own) };
  expect(scrub(`x ${base64("my BADGE-123456")}`, run)).toBe("x [redacted:own-badge]");
});

test("a window shows no part of an encoded secret across its edge", () => {
  const secret = base64("DB_PASSWORD=hunter2");
  const text = `first ${secret} last`;
  for (let edge = 0; edge <= text.length; edge += 1) {
    const head = scrubWindow(text, { from: 0, to: edge }, startRun());
    const tail = scrubWindow(text, { from: edge, to: text.length }, startRun());
    for (let at = 0; at + 4 <= secret.length; at += 1) {
      expect(head + tail).not.toContain(secret.slice(at, at + 4));
    }
  }
});
