/**
 * Programs whose first argument that is no option is their script, with the options that are known
 * to stand alone. Any other option may be followed by its value, which may be a secret.
 */
const INTERPRETERS: readonly [program: RegExp, aloneOption: RegExp][] = [
  [/^(node|nodejs|bun)$/, /^--(no-[a-z-]+|enable-source-maps|expose-gc|inspect)$|^--[a-z-]+=/],
  [/^python[0-9.]*$/, /^-[BEIOPSbdqsuv]+$/],
  [/^(ba|da)?sh$/, /^-[aefhlux]+$/],
  [/^(perl|php|ruby)[0-9.]*$/, /^-[w]$/],
];
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+@-]{0,63}$/;

/**
 * The base name of a process's program, from `/proc/PID/cmdline`; proc_pid_cmdline(5). Of an
 * interpreter also that of its script, such as `node server.js`. No other argument is ever part of
 * it, because arguments may be secrets.
 *
 * @returns null for a kernel thread, and for a process that wrote a title over its arguments
 */
export function parseProgram(cmdline: string): string | null {
  // Each argument ends with NUL. What follows the last one was cut.
  const [first = "", ...rest] = cmdline.split("\0").slice(0, -1);
  const program = baseName(first);
  const [, aloneOption] = INTERPRETERS.find(([name]) => name.test(program ?? "")) ?? [];
  if (program === null || aloneOption === undefined) return program;
  const script = baseName(rest.find((argument) => !aloneOption.test(argument)) ?? "");
  return script === null ? program : `${program} ${script}`;
}

/** Null for an option, and for text that is no path of a plainly named file. */
function baseName(argument: string): string | null {
  if (!/^[^\s-]\S*$/.test(argument)) return null;
  const name = argument.slice(argument.lastIndexOf("/") + 1);
  return FILE_NAME.test(name) ? name : null;
}
