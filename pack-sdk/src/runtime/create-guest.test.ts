import { afterEach, describe, expect, test } from "vitest";
import { type GuestProcess, openGuestProcess } from "../guest-process/open-guest-process.ts";

// Attack classes 46 to 48. Every guest runs in a child process, because isolated-vm needs a flag
// and some of these attacks abort V8.

const opened: GuestProcess[] = [];
afterEach(() => opened.splice(0).forEach((guest) => guest.close()));

function openPack(run: string, top = "", memoryMb = 32): GuestProcess {
  const code = `"use strict"; var pack = (() => { ${top}
    return { default: { definition: { a: 1 }, run: (probe, input) => { ${run} } } }; })();`;
  const guest = openGuestProcess({ code, memoryMb });
  opened.push(guest);
  return guest;
}

async function failureOf(run: string, timeoutMs = 300): Promise<string> {
  const answer = await openPack(run).run("p", "{}", timeoutMs);
  return answer.ok ? `answered ${answer.result}` : answer.failure.code;
}

test("a call passes the probe and its input, and returns JSON text", async () => {
  const guest = openPack("return { probe, twice: input.x * 2 };");
  expect(await guest.run("disk.usage", '{"x":21}', 1000)).toEqual({
    ok: true,
    result: '{"probe":"disk.usage","twice":42}',
  });
  expect(await guest.describe(1000)).toEqual({ ok: true, result: '{"a":1}' });
});

// Attack 46.
describe("a guest that misbehaves costs one call", () => {
  test.each([
    ["an endless loop", "for (;;);"],
    ["an endless chain of microtasks", "const f = () => Promise.resolve().then(f); f(); return 1;"],
    ["a catastrophic regex", 'return /^(a+)+$/.test("a".repeat(40) + "b");'],
    ["an endless getter in the result", "return { get a() { for (;;); } };"],
    ["an endless toJSON", "return { toJSON() { for (;;); } };"],
  ])("%s is PACK_TIMEOUT, and the next call is fine", async (_what, code) => {
    const guest = openPack(`if (input.bad) { ${code} } return 1;`);
    const bad = await guest.run("p", '{"bad":true}', 200);
    expect(bad).toMatchObject({ ok: false, failure: { code: "PACK_TIMEOUT" } });
    expect(await guest.run("p", "{}", 1000)).toEqual({ ok: true, result: "1" });
  });

  test.each([
    ["a throw", 'throw new Error("boom");'],
    ["a throw of nothing", "throw undefined;"],
    ["a throw of a trap", "throw new Proxy({}, { getPrototypeOf() { throw 1; } });"],
    ["a deep recursion", "const f = () => f(); f();"],
    ["a promise", "return new Promise(() => {});"],
    ["nothing", "return undefined;"],
    ["a function", "return () => 1;"],
    ["a bigint", "return 1n;"],
    ["a cycle", "const a = {}; a.a = a; return a;"],
    ["too much", 'return "x".repeat(5e6);'],
  ])("%s is PACK_FAILED", async (_what, code) => {
    expect(await failureOf(code)).toBe("PACK_FAILED");
  });

  test.each([
    ["slow allocation", 'const a = []; for (;;) a.push("x".repeat(1e5) + a.length);'],
    ["growing a map", "const m = new Map(); for (let i = 0; ; i++) m.set(i, { i });"],
  ])("memory exhausted by %s is PACK_CRASHED", async (_what, code) => {
    expect(await failureOf(code, 15_000)).toBe("PACK_CRASHED");
  });

  test("code that V8 can neither survive nor interrupt ends its process only", async () => {
    expect(await failureOf("return new Array(1e8).fill(1.5).length;", 1000)).toBe("PACK_CRASHED");
  });

  test("a message is capped and names the place in the bundle", async () => {
    const answer = await openPack('throw new Error("y".repeat(1e6));').run("p", "{}", 500);
    if (answer.ok) throw new Error("expected a failure");
    expect(answer.failure.message.length).toBeLessThan(1100);
    expect(answer.failure.message).toMatch(/ \(index\.js:\d+:\d+\)$/);
  });

  test("code that does not compile is PACK_FAILED at every call", async () => {
    const guest = openGuestProcess({ code: "var pack = (" });
    opened.push(guest);
    expect(await guest.run("p", "{}", 500)).toMatchObject({ failure: { code: "PACK_FAILED" } });
  });
});

describe("nothing outlives a call", () => {
  test.each([
    ["a module variable", "counter += 1; return counter;", "let counter = 0;"],
    ["a static field", "return (Box.n += 1);", "class Box { static n = 0; }"],
    [
      "a tag's template object",
      "return tag`a`;",
      "const seen = new WeakSet(); const tag = (t) => { const had = seen.has(t); seen.add(t); return had ? 2 : 1; };",
    ],
  ])("%s starts afresh", async (_what, run, top) => {
    const guest = openPack(run, top);
    expect(await guest.run("p", "{}", 1000)).toEqual({ ok: true, result: "1" });
    expect(await guest.run("p", "{}", 1000)).toEqual({ ok: true, result: "1" });
  });

  test("the last match of a regular expression is not kept", async () => {
    const run =
      'if (input.write) /s(ecret)/.exec("secret"); return [RegExp.$1 ?? null, RegExp.input ?? null, RegExp["$&"] ?? null];';
    const guest = openPack(run);
    await guest.run("p", '{"write":true}', 1000);
    expect(await guest.run("p", "{}", 1000)).toEqual({ ok: true, result: "[null,null,null]" });
  });

  test("text that closes the wrapper around the bundle does not load", async () => {
    const code = `return pack;}); let kept = 0; (function () {
      var pack = { default: { run: () => (kept += 1) } };`;
    const guest = openGuestProcess({ code });
    opened.push(guest);
    expect(await guest.run("p", "{}", 500)).toMatchObject({ failure: { code: "PACK_FAILED" } });
  });
});
