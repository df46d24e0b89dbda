import { SondeError } from "@sonde/schemas/errors";
import { expect, test } from "vitest";
import { checkCode } from "./check-code.ts";

function verdict(code: string | Uint8Array): string {
  try {
    checkCode(typeof code === "string" ? Buffer.from(code, "utf8") : code);
    return "accepted";
  } catch (error) {
    return error instanceof SondeError ? error.code : "no code";
  }
}

test.each([
  'eval("1")',
  '(0, eval)("1")',
  '\\u0065val("1")',
  '\\u{65}val("1")',
  'new Function("return 1")',
  'Function /* x */ ("return 1")',
  "Function.prototype.call",
  '(() => {}).constructor("return this")()',
  '(() => {}). constructor ("return this")()',
  'import("node:fs")',
  'import/* x */("node:fs")',
  "import // x\n('node:fs')",
  "import //\r('node:fs')",
  "import /* // */ // /*\n /**/ ('node:fs')",
  "(() => {}). // x\n /* y */ constructor /**/ ('return this')()",
  'const a = "/*"; import/**/("node:fs"); "*/"',
  'const a = "//"; import /**/ ("node:fs")',
  "import.meta.url",
  'require("node:fs")',
  "new WebAssembly.Module(x)",
  "new SharedArrayBuffer(8)",
  "Atomics.wait(a, 0, 0)",
])("%s is refused", (code) => {
  expect(verdict(`var pack = 1;\n${code};\n`)).toBe("CODE_REFUSED");
});

const SIZE = 64 * 1024;
test.each([
  ["words in one line's comment", "import //".repeat(SIZE / 9)],
  ["words in comments that never end", "require /*".repeat(SIZE / 10)],
  ["words in one comment before many", `${"import/*".repeat(SIZE / 16)}${"*//*".repeat(SIZE / 8)}`],
  ["words in lines before many", `${"import//".repeat(SIZE / 16)}${"\n//".repeat(SIZE / 6)}`],
  ["dots and comments", "./**/".repeat(SIZE / 5)],
  ["dots before comments", `${"./*".repeat(SIZE / 6)}${"*/ /*".repeat(SIZE / 10)}`],
  ["blanks", `import${" ".repeat(SIZE)}`],
])("64 KiB of %s is looked at in time that grows with its length", (_what, code) => {
  const before = process.cpuUsage();
  expect(verdict(code)).toBe("accepted");
  const { user, system } = process.cpuUsage(before);
  // CPU time in microseconds, so that other load does not matter. Quadratic time would take longer.
  expect(user + system).toBeLessThan(3_000_000);
});

test("bytes that are not UTF-8 are refused", () => {
  expect(verdict(Buffer.from([0x76, 0xff]))).toBe("CODE_REFUSED");
});

test.each([
  "class A { constructor(x) { this.x = x; } }",
  'const text = "the import failed, see the evaluation of the function";',
  "const isFunction = (x) => typeof x === 'function';",
  "const retrieval = { required: true, important: 1 };",
  'const s = "\\u{110000}";',
])("%s is accepted", (code) => {
  expect(verdict(code)).toBe("accepted");
});
