import { afterAll, beforeAll, expect, test } from "vitest";
import { type GuestProcess, openGuestProcess } from "../guest-process/open-guest-process.ts";

// Attack classes 47 and 48: what a guest finds in its realm. Each case is the body of a function.
// All cases share one pack, since calls see nothing of each other.

const WRITES = {
  "a global": "globalThis.kept = 1;",
  "a built-in's property": "Array.kept = 1;",
  "a prototype": "Object.prototype.kept = 1;",
  "a prototype's accessor": "Object.prototype.toString = () => 1;",
  "an error's prototype": "Error.prototype.message = 1;",
  "a replaced built-in": "JSON.stringify = () => 1;",
  "a toJSON for every array": "Array.prototype.toJSON = () => 1;",
  "a trap on errors": "Error.prepareStackTrace = (e, s) => s;",
  "the prototype of generators": "Object.getPrototypeOf(function* () {}).kept = 1;",
  "the prototype of async generators":
    "Object.getPrototypeOf(async function* () {}).prototype.kept = 1;",
  "the prototype of array iterators": "Object.getPrototypeOf([].values()).next = 1;",
  "the prototype of match iterators": 'Object.getPrototypeOf("a".matchAll(/a/g)).next = 1;',
  "the prototype of iterator helpers": "Object.getPrototypeOf([].values().map((x) => x)).next = 1;",
  "the prototype of wrapped iterators":
    "Object.getPrototypeOf(Iterator.from({ next() {} })).next = 1;",
  "a typed array's prototype": "Object.getPrototypeOf(Uint8Array.prototype).kept = 1;",
  "an accessor's function": "Object.getOwnPropertyDescriptor(Map.prototype, 'size').get.kept = 1;",
  "the global's prototype": "Object.getPrototypeOf(globalThis).kept = 1;",
  "the parent of the global's prototype":
    "Object.setPrototypeOf(Object.getPrototypeOf(globalThis), { kept: 1 });",
};

const IMPURE = {
  "the clock": "return new Date();",
  "the clock as a number": "return Date.now();",
  "the clock as text": "return Date();",
  "the clock through an instance": "return new (new Date(0).constructor)();",
  "the clock through a subclass": "return new (class extends Date {})();",
  "the zone by parts": "return new Date(2020, 0, 1).getTime();",
  "the zone by getters": "return new Date(0).getHours();",
  "the zone by its offset": "return new Date(0).getTimezoneOffset();",
  "the zone by setters": "return new Date(0).setHours(1);",
  chance: "return Math.random();",
  "the locale of an order": 'return "a".localeCompare("b");',
  "the locale of a date": "return new Date(0).toLocaleDateString();",
};

const ABSENT = [
  "process",
  "require",
  "module",
  "console",
  "fetch",
  "setTimeout",
  "queueMicrotask",
  "eval",
  "Function",
  "WebAssembly",
  "SharedArrayBuffer",
  "Atomics",
  "Intl",
  "WeakRef",
  "FinalizationRegistry",
  "performance",
  "TextEncoder",
  "structuredClone",
  "Buffer",
  "global",
  "ivm",
];

const PATHS_TO_A_COMPILER = [
  "(() => 1).constructor",
  "(function* () {}).constructor",
  "(async () => 1).constructor",
  "(async function* () {}).constructor",
  "Object.getPrototypeOf((function* () {}).constructor)",
  "Object.constructor",
  "[].constructor.constructor",
  "JSON.stringify.constructor",
  "input.constructor.constructor",
  "Reflect.getOwnPropertyDescriptor(Object.prototype, 'toString').get.constructor",
  "(class A {}).constructor",
  "new Proxy(function () {}, {}).constructor",
  "(() => { try { null.x } catch (e) { return e.constructor.constructor } })()",
  "(() => { const f = () => f(); try { f() } catch (e) { return e.constructor.constructor } })()",
  "Reflect.get(Object.getPrototypeOf(async function () {}), 'constructor')",
];

const ESCAPES = {
  "call sites": `const seen = []; const P = { prepareStackTrace: (_, s) => seen.push(s) };
    try { Object.assign(Error, P); } catch {} try { null.x; } catch (e) { e.stack; }
    return seen.length === 0 ? "nothing" : "sites";`,
  "captured stacks": `const o = {}; Error.captureStackTrace(o);
    return typeof o.stack === "string" ? "nothing" : "sites";`,
  "a caller": `function outer() { return inner(); } function inner() { return inner.caller; }
    try { return outer() === null ? "nothing" : "caller"; } catch { return "nothing"; }`,
  "sloppy this": `return (function () { return this; })() === undefined ? "nothing" : "this";`,
  "own arguments": `return typeof arguments[0] === "object" ? "nothing" : "arguments";`,
  species: `class A extends Array { static get [Symbol.species]() { return function () { return this; }; } }
    const made = new A(1, 2).map((x) => x); return made === globalThis ? "global" : "nothing";`,
  "the prototype door": `return typeof ({}).__proto__ === "undefined" ? "nothing" : "door";`,
};

const LISTED = `Object Array String Number Boolean Symbol BigInt Map Set WeakMap WeakSet Math JSON
  RegExp Date Promise Reflect Proxy Iterator Error EvalError RangeError ReferenceError SyntaxError
  TypeError URIError AggregateError ArrayBuffer DataView Int8Array Uint8Array Uint8ClampedArray
  Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array BigInt64Array
  BigUint64Array parseInt parseFloat isNaN isFinite encodeURIComponent decodeURIComponent
  encodeURI decodeURI globalThis undefined NaN Infinity`.split(/\s+/);

const GLOBALS = "return Reflect.ownKeys(globalThis).map(String);";
const UNFROZEN = `const seen = new Set(); const waiting = [globalThis]; const open = [];
  while (waiting.length) {
    const value = waiting.pop();
    if (value === null || !/object|function/.test(typeof value) || seen.has(value)) continue;
    seen.add(value);
    if (!Object.isFrozen(value)) open.push(String(value));
    waiting.push(Object.getPrototypeOf(value));
    for (const d of Object.values(Object.getOwnPropertyDescriptors(value))) waiting.push(d.value, d.get, d.set);
  }
  return open;`;
const IMPORTS = `import("node:fs").then(() => { for (;;); }, () => {}); return 1;`;
const POLLUTES = `return JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');`;
const DATES = `const parse = (text) => new Date(text).getTime();
  return { zoned: parse("1970-01-01T02:00:00+02:00"), utc: parse("1970-01-01T00:00:01Z"), day: parse("1970-01-02"),
    unzoned: [parse("1970-01-01T00:00"), Date.parse("1 Jan 1970 00:00"), parse({ toString: () => "1970-01-01 00:00" })],
    copied: parse(new Date(5)), text: String(new Date(0)), json: JSON.stringify(new Date(0)) };`;
const ORDINARY = `class Odd extends Error { constructor(m) { super(m); this.name = "Odd"; } }
  const counts = {}; counts.constructor = 1; counts.toString = 2;
  const at = new Date(86400000); const parts = [..."b a".matchAll(/[a-z]/g)].map((m) => m[0]).sort();
  const grouped = Object.groupBy([1, 2, 3], (n) => (n % 2 ? "odd" : "even"));
  return { name: new Odd("x").name, counts, at: at.toISOString(), is: at instanceof Date, parts, grouped };`;

const typeofBody = (name: string): string => `return typeof ${name};`;
const compilerBody = (path: string): string =>
  `const made = ${path}; try { return typeof made("return globalThis")(); } catch { return "refused"; }`;

const bodies = [
  ...Object.values(WRITES),
  ...Object.values(IMPURE),
  ...ABSENT.map(typeofBody),
  ...PATHS_TO_A_COMPILER.map(compilerBody),
  ...Object.values(ESCAPES),
  GLOBALS,
  UNFROZEN,
  IMPORTS,
  POLLUTES,
  DATES,
  ORDINARY,
];

let guest: GuestProcess;
beforeAll(() => {
  const cases = bodies.map((body) => `function (input) { ${body} }`).join(",\n");
  guest = openGuestProcess({
    code: `var pack = (() => { const cases = [${cases}];
      return { default: { run: (probe, input) => cases[probe](input) } }; })();`,
  });
});
afterAll(() => guest.close());

/** The value that a case returns, or the code of its failure. */
async function outcomeOf(body: string): Promise<unknown> {
  const answer = await guest.run(String(bodies.indexOf(body)), '{"__proto__":{"x":1}}', 2000);
  return answer.ok ? JSON.parse(answer.result) : answer.failure.code;
}

test.each(Object.entries(WRITES))("%s cannot be written", async (_what, body) => {
  expect(await outcomeOf(body)).toBe("PACK_FAILED");
});

test.each(Object.entries(IMPURE))("%s cannot be read", async (_what, body) => {
  expect(await outcomeOf(body)).toBe("PACK_FAILED");
});

test.each(ABSENT)("there is no %s", async (name) => {
  expect(await outcomeOf(typeofBody(name))).toBe("undefined");
});

// Attack 47.
test.each(PATHS_TO_A_COMPILER)("%s compiles no text", async (path) => {
  expect(await outcomeOf(compilerBody(path))).toBe("refused");
});

// Attack 47.
test.each(Object.entries(ESCAPES))("%s leads to no host object", async (_what, body) => {
  expect(await outcomeOf(body)).toBe("nothing");
});

test("every global is one of the listed ones", async () => {
  const names = (await outcomeOf(GLOBALS)) as string[];
  expect(names.length).toBeGreaterThan(40);
  expect(names.filter((name) => !LISTED.includes(name))).toEqual([]);
});

test("everything that can be reached is frozen", async () => {
  expect(await outcomeOf(UNFROZEN)).toEqual([]);
});

test("a dynamic import never loads a module", async () => {
  // If the promise had resolved, its endless callback would give PACK_TIMEOUT.
  expect(await outcomeOf(IMPORTS)).toBe(1);
});

// Attack 48.
test("a result is copied as text, so it cannot pollute a prototype", async () => {
  await outcomeOf(POLLUTES);
  expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
});

test("a date means the same on every machine", async () => {
  expect(await outcomeOf(DATES)).toEqual({
    zoned: 0,
    utc: 1000,
    day: 86_400_000,
    unzoned: [null, null, null],
    copied: 5,
    text: "[object Date]",
    json: '"1970-01-01T00:00:00.000Z"',
  });
});

test("ordinary code still works", async () => {
  expect(await outcomeOf(ORDINARY)).toEqual({
    name: "Odd",
    counts: { constructor: 1, toString: 2 },
    at: "1970-01-02T00:00:00.000Z",
    is: true,
    parts: ["a", "b"],
    grouped: { odd: [1, 3], even: [2] },
  });
});
