import { SondeError } from "@sonde/schemas/errors";
import { parseManifestShape } from "@sonde/schemas/manifest";
import { parseJson } from "@sonde/schemas/parse";
import { type CheckedPack, parseCheckReply } from "@sonde/schemas/trust";
import { type WarmLimits, WarmProgram } from "@sonde/trust/admit";
import { demandTrusted } from "@sonde/trust/pack";
import type { CheckUpload } from "../core/publish/check-archive.ts";

/** A legal archive takes milliseconds and about 100 MB, Node included. */
const LIMITS: WarmLimits = {
  deadlineMs: 10_000,
  maxLineBytes: 4 * 1024 * 1024,
  maxMemoryBytes: 384 * 1024 * 1024,
};
const IDLE_MS = 30_000;

export type Checker = { checkUpload: CheckUpload; close(): void };

/**
 * Checks uploads in processes without database, key or right to write. There are as many processes
 * as concurrent checks; each is reused and ends when idle. A failing process costs only its upload.
 *
 * @param admitPath path of the bundled admit program
 * @param folder the folder of the uploads, the only one that the processes may read
 */
export function createChecker(admitPath: string, folder: string, limits = LIMITS): Checker {
  const programs = new Map<WarmProgram, NodeJS.Timeout | null>();

  /** Takes the youngest idle process, so that the older ones end when the load drops. */
  function takeProgram(): WarmProgram {
    let taken: WarmProgram | undefined;
    for (const [program, idle] of programs) {
      if (program.hasEnded) programs.delete(program);
      else if (idle !== null) taken = program;
    }
    const program = taken ?? new WarmProgram(admitPath, folder, limits);
    clearTimeout(programs.get(program) ?? undefined);
    programs.set(program, null);
    return program;
  }

  function end(program: WarmProgram): void {
    programs.delete(program);
    program.kill();
  }

  return {
    async checkUpload(request) {
      const program = takeProgram();
      try {
        const { archive, bundle, policy } = request;
        const line = await program.ask({ op: "check", archive: archive.path, bundle, policy });
        const reply = parseCheckReply(parseJson(line, "check reply", "CHECK_FAILED"));
        if ("checked" in reply) demandFit(request, reply.checked);
        programs.set(program, setTimeout(() => end(program), IDLE_MS).unref());
        if ("checked" in reply) return reply.checked;
        throw new SondeError(reply.error.code, reply.error.message);
      } catch (thrown) {
        // A process with a well-formed reply is idle already, also after a refusal. End any other.
        if (programs.get(program) === null) end(program);
        throw thrown;
      }
    },
    close() {
      for (const program of programs.keys()) program.kill();
    },
  };
}

/** Checks that the reply is about the requested archive and a signer of the policy. */
function demandFit({ archive, policy }: Parameters<CheckUpload>[0], checked: CheckedPack): void {
  try {
    if (checked.digest !== archive.digest) throw new Error(`it is about ${checked.digest}`);
    parseManifestShape(checked.manifest);
    demandTrusted(policy, checked.signer);
  } catch (cause) {
    const sentence = `the admit program: expected an answer about ${archive.digest}, got another`;
    throw new SondeError("CHECK_FAILED", sentence, { cause });
  }
}
