import { expect, test } from "vitest";
import { scrub } from "./scrub.ts";

const clean = (text: string) =>
  scrub(text, { deadline: Infinity, now: () => 0, counts: new Map() });

test("hostile text costs time in proportion to its length", () => {
  const seeds = [
    "eyJ",
    "eyJaaaaaaaa.",
    "eyJaaaaaaaa-",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "://a:",
    "://aaaaaaaaaaaaaaaaaaaa",
    "--password",
    "password \n",
    "_key",
    'password="',
    'password:\\"',
    "authorization: ",
    "-u a",
    "github_pat_",
    "SG.aaaaaaaaaaaaaaaaaaaa",
    "\\",
    "-",
    "A",
    "_key=",
    "token:",
    "<token>",
    "<token ",
    "name=token ",
    "%3D",
    "token%3D",
    "token\n  ",
    "\na1_secret ",
    "token: |\n",
    "token: |\n ",
    "token:\n- ",
    "password: a ",
    "authorization: a a=b,",
    "-----END PRIVATE KEY-----",
    "a\n-----END PRIVATE KEY-----",
    "A=\n",
    "\\n",
    "PRIVATE KEY",
    ":1:a:a:",
    "a:1:",
    "sk-",
    "secret_",
    "password is ",
  ];
  for (const seed of seeds) {
    const text = seed.repeat(Math.ceil(1_000_000 / seed.length));
    const before = process.cpuUsage();
    clean(text);
    const { user, system } = process.cpuUsage(before);
    // CPU time in microseconds. The slowest takes 0.2 s; quadratic time would take minutes.
    expect(user + system).toBeLessThan(3_000_000);
  }
});
