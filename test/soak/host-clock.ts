import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A clock that some processes see, off by some seconds. */
export type FakedClock = {
  /** What such a process has in its environment. */
  variables: NodeJS.ProcessEnv;
  set(seconds: number): void;
};

/** With env(1), the product starts each of its services. */
const ENV = "/usr/bin/env";

/** @param file what libfaketime reads at each look at the time. Timers follow the monotonic clock, which stays true */
export function createFakedClock(file: string): FakedClock {
  const set = (seconds: number) => writeFileSync(file, `${seconds < 0 ? "" : "+"}${seconds}`);
  set(0);
  return {
    set,
    variables: {
      LD_PRELOAD: "/usr/$LIB/faketime/libfaketimeMT.so.1",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
  };
}

/**
 * Gives agent and runner of a product that starts later that clock, as their host has one. Only in
 * this mount namespace.
 */
export function giveHostClock(data: string, { variables }: FakedClock, folder: string): void {
  const [real, other] = [join(folder, "env"), join(folder, "env-with-clock")];
  copyFileSync(ENV, real);
  const words = Object.entries(variables).map(([name, value]) => `'${name}=${value}'`);
  const lines = [
    "#!/bin/sh",
    "for last; do :; done",
    'case "$last" in',
    `${data}/config/agent.json | ${data}/config/runner.json) exec ${real} ${words.join(" ")} "$@" ;;`,
    "esac",
    `exec ${real} "$@"`,
  ];
  writeFileSync(other, `${lines.join("\n")}\n`);
  for (const path of [real, other]) chmodSync(path, 0o755);
  execFileSync("mount", ["--bind", other, ENV]);
}
