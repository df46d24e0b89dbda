import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

// Completion in the shells themselves, by what `sonde completion SHELL` prints.
const folder = mkdtempSync("/tmp/sonde-completion-");
const scripts = new Map<string, string>();

function sonde(...words: string[]): { code: number | null; out: string; err: string } {
  const flags = ["--conditions=sonde:source", join(import.meta.dirname, "../sonde.ts")];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, ...words], {
    encoding: "utf8",
  });
  return { code: status, out: stdout, err: stderr };
}

beforeAll(() => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, out } = sonde("completion", shell);
    expect(code).toBe(0);
    const file = join(folder, `sonde.${shell}`);
    writeFileSync(file, out);
    scripts.set(shell, file);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(program: string, ...args: string[]): string[] {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (error !== undefined) throw error;
  expect([status, stderr]).toEqual([0, ""]);
  return stdout.split("\n").filter((line) => line !== "");
}

/** What each shell offers after these words, of which the last one is being typed. */
const SHELLS: [string, (words: string[]) => string[]][] = [
  [
    "bash",
    (words) => {
      const set = `COMP_WORDS=(sonde ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}`;
      const print = `printf '%s\\n' "\${COMPREPLY[@]}"`;
      return run("bash", "--norc", "-c", `source ${scripts.get("bash")}; ${set}; _sonde; ${print}`);
    },
  ],
  [
    "zsh",
    (words) => {
      const typed = words.map((word) => `'${word}'`).join(" ");
      // Without a line editor, what would be offered is printed, as far as it begins alike.
      const fake = `_describe() { print -rl -- "\${(@M)\${(@P)2}:#\${words[-1]}*}" }; compdef() { : }`;
      const place = `words=(sonde ${typed}); CURRENT=${words.length + 1}`;
      const offered = run(
        "zsh",
        "-f",
        "-c",
        `${fake}; source ${scripts.get("zsh")}; ${place}; _sonde`,
      );
      return offered.map((line) => line.replace(/:.*$/, ""));
    },
  ],
  [
    "fish",
    (words) => {
      const line = `sonde ${words.join(" ")}`;
      const offered = run(
        "fish",
        "--no-config",
        "-c",
        `source ${scripts.get("fish")}; complete -C '${line}'`,
      );
      return offered.map((one) => one.replace(/\t.*$/, ""));
    },
  ],
];

test.each(SHELLS)("%s offers commands, their subcommands and their options", (_shell, complete) => {
  expect(complete(["pa"])).toEqual(["packs"]);
  expect(complete(["packs", "in"]).toSorted()).toEqual(["info", "install"]);
  expect(complete(["packs", "install", "--ca"])).toEqual(["--canary"]);
  expect(complete(["agents", "q"])).toEqual(["quarantine"]);
  // An option before a word does not lose the place.
  expect(complete(["hub", "--json", "signing-keys", "ro"])).toEqual(["rotate"]);
  expect(complete(["login", "--key"])).toEqual(["--key-file"]);
});

test("another shell is refused, and told which there are", () => {
  const { code, err } = sonde("completion", "tcsh");
  expect(code).toBe(1);
  expect(err).toContain("expected a shell (bash, zsh, fish)");
});
