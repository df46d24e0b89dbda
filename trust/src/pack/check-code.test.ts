import { SondeError } from "@sonde/schemas";
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
  "import.meta.url",
  'require("node:fs")',
  "new WebAssembly.Module(x)",
  "new SharedArrayBuffer(8)",
  "Atomics.wait(a, 0, 0)",
])("%s is refused", (code) => {
  expect(verdict(`var pack = 1;\n${code};\n`)).toBe("CODE_REFUSED");
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
