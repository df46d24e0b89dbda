import type { Failure } from "@sonde/schemas/reads";
import ivm from "isolated-vm";
import { REALM_SOURCE } from "./realm-source.ts";

/** Maximal length of a guest's result text, in UTF-16 units. */
export const MAX_RESULT_CHARS = 4 * 1024 * 1024;

/** `result` is JSON text; `failure.code` is PACK_FAILED, PACK_TIMEOUT or PACK_CRASHED. */
export type GuestAnswer = { ok: true; result: string } | { ok: false; failure: Failure };

/**
 * One pack's code in one isolate. Calls run one at a time. Each evaluates the whole bundle again in
 * a frozen realm, so no call sees anything of another. A call never rejects. Some memory patterns
 * abort the whole process and no setting prevents this, so run a guest in a process that may die.
 */
export type Guest = {
  /** Calls a probe's `run`. `inputJson` is a GuestInput. The deadline includes loading. */
  run(probeName: string, inputJson: string, timeoutMs: number): Promise<GuestAnswer>;
  /** The pack's declaration, before the build turns it into a manifest. */
  describe(timeoutMs: number): Promise<GuestAnswer>;
  /** Disposes of the isolate. A call in progress answers PACK_CRASHED. */
  dispose(): void;
};

type Enter = ivm.Reference<(probe: string, input: string, maxChars: number) => string>;

/**
 * Creates a guest without running any of the pack's code. If the code does not compile, every
 * answer of the guest is PACK_FAILED.
 *
 * @param code one esbuild bundle, `iife` with `globalName: "pack"`, whose
 *   `pack.default` is what `pack({ ... })` returned
 * @param memoryMb at least 8; a guideline that V8 may exceed
 */
export async function createGuest(options: { code: string; memoryMb: number }): Promise<Guest> {
  const isolate = new ivm.Isolate({ memoryLimit: options.memoryMb });
  let enter: Enter | undefined;
  let unusable = "";
  try {
    enter = await openRealm(isolate, options.code);
  } catch (error) {
    unusable = describeError(error);
  }
  const call = async (
    probeName: string,
    input: string,
    timeoutMs: number,
  ): Promise<GuestAnswer> => {
    if (enter === undefined) return fail("PACK_FAILED", `the code does not load: ${unusable}`);
    try {
      const answer: unknown = await enter.apply(undefined, [probeName, input, MAX_RESULT_CHARS], {
        timeout: timeoutMs,
      });
      return readAnswer(answer);
    } catch (error) {
      return explainStop(error, isolate, timeoutMs);
    }
  };
  return {
    run: (probeName, input, timeoutMs) =>
      probeName === ""
        ? Promise.resolve(fail("PACK_FAILED", "expected the name of a probe, got nothing"))
        : call(probeName, input, timeoutMs),
    describe: (timeoutMs) => call("", "null", timeoutMs),
    dispose: () => {
      if (!isolate.isDisposed) isolate.dispose();
    },
  };
}

async function openRealm(isolate: ivm.Isolate, code: string): Promise<Enter> {
  // The bundle must be a complete script. Text that closes the wrapper below and continues after it
  // could keep values between calls.
  const alone = await isolate.compileScript(`"use strict";\n${code}`, { filename: FILE });
  alone.release();
  const context = await isolate.createContext();
  const realm = await isolate.compileScript(REALM_SOURCE, { filename: "realm" });
  // `this` is undefined and the function has no parameters, so the code reaches nothing but the
  // frozen realm.
  const wrapped = await isolate.compileScript(
    `(function(){"use strict";\n${code}\nreturn pack;})`,
    {
      filename: FILE,
      lineOffset: -1,
    },
  );
  const open = await realm.run(context, { reference: true });
  const load = await wrapped.run(context, { reference: true });
  return (await open.apply(undefined, [load.derefInto()], {
    result: { reference: true },
  })) as Enter;
}

const FILE = "index.js";

function readAnswer(answer: unknown): GuestAnswer {
  if (typeof answer === "string" && answer.startsWith("R")) {
    return { ok: true, result: answer.slice(1) };
  }
  if (typeof answer === "string" && answer.startsWith("F")) {
    const { message, stack } = JSON.parse(answer.slice(1)) as { message: string; stack: string };
    const [where] = /index\.js:\d+:\d+/.exec(stack) ?? [];
    return fail("PACK_FAILED", where === undefined ? message : `${message} (${where})`);
  }
  return fail("PACK_CRASHED", "expected an answer of the realm, got something else");
}

function explainStop(error: unknown, isolate: ivm.Isolate, timeoutMs: number): GuestAnswer {
  if (isolate.isDisposed) {
    return fail("PACK_CRASHED", "the pack's isolate ended: out of memory, or stopped");
  }
  const message = describeError(error);
  if (message.startsWith("Script execution timed out")) {
    return fail("PACK_TIMEOUT", `expected an answer within ${timeoutMs} ms, got none`);
  }
  return fail("PACK_FAILED", message);
}

function describeError(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 1000) : "unknown failure";
}

function fail(code: Failure["code"], message: string): GuestAnswer {
  return { ok: false, failure: { code, message } };
}
