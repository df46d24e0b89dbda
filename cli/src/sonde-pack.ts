// Entry of `sonde-pack`. Alone in touching argv, the environment and the exit code.
import { runPackProgram } from "./pack/program.ts";

process.exitCode = await runPackProgram(process.argv.slice(2), {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  env: new Map(Object.entries(process.env)),
});
