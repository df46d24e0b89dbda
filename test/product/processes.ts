import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Product } from "./start-product.ts";

export type Role = "hub" | "registry" | "agent" | "runner";

/**
 * The current process of a service: the one whose arguments end in that service's configuration
 * file. It changes when the service restarts.
 */
export function findPid(product: Product, role: Role): number | undefined {
  const config = join(product.data, "config", `${role}.json`);
  return allProcesses().find(({ argv }) => argv.at(-1) === config && argv[0] !== "setpriv")?.pid;
}

/** The service's own PostgreSQL. */
export function findPostgres(product: Product, role: "hub" | "registry"): number {
  const file = join(product.data, role, "postgres", "postmaster.pid");
  return Number(readFileSync(file, "utf8").split("\n")[0]);
}

/** Every process with the data folder in its arguments. */
export function findLeftovers(data: string): { pid: number; argv: string[] }[] {
  return allProcesses().filter(({ argv }) => argv.some((argument) => argument.includes(data)));
}

function allProcesses(): { pid: number; argv: string[] }[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map((name) => ({ pid: Number(name), argv: readArguments(name) }))
    .filter(({ argv }) => argv.length > 0);
}

function readArguments(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch (thrown) {
    // The process ended between listing and reading.
    if (thrown instanceof Error && "code" in thrown) return [];
    throw thrown;
  }
}
