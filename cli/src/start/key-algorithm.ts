import { join } from "node:path";
import { replaceFile } from "@sonde/files";
import { SondeError } from "@sonde/schemas/errors";
import { DEFAULT_KEY_ALGORITHM, KEY_ALGORITHMS, type KeyAlgorithm } from "@sonde/schemas/wire";
import type { DataLayout } from "../data-layout.ts";
import { readOwn } from "../read-back.ts";

/** @throws SondeError BAD_REQUEST, with the known ones */
export function parseKeyAlgorithm(text: string): KeyAlgorithm {
  const known = KEY_ALGORITHMS.find((name) => name === text);
  if (known !== undefined) return known;
  throw new SondeError(
    "BAD_REQUEST",
    `expected --key-algorithm ${KEY_ALGORITHMS.join(" or ")}, got ${JSON.stringify(text.slice(0, 40))}`,
  );
}

/**
 * The algorithm of the keys that hub and agent of this data folder make: the wanted one, or that of
 * an earlier start. A wanted one is kept. Keys that exist stay as they are.
 */
export function resolveKeyAlgorithm(
  layout: DataLayout,
  wanted: KeyAlgorithm | undefined,
): KeyAlgorithm {
  const file = join(layout.config, "key-algorithm");
  if (wanted !== undefined) replaceFile(file, `${wanted}\n`);
  const kept = wanted ?? readOwn(file)?.trim();
  return kept === undefined ? DEFAULT_KEY_ALGORITHM : parseKeyAlgorithm(kept);
}
