import type { Found } from "./open-path.ts";
import { readFailure } from "./read-failure.ts";

/** The names in a folder, in the order of their code units. */
export async function listNames({ calls, fd, path }: Found): Promise<string[]> {
  try {
    return (await calls.list(`/proc/self/fd/${fd}`)).sort();
  } catch (error) {
    throw readFailure(error, path, await calls.stat(fd));
  }
}
