import { type FileHandle, open } from "node:fs/promises";
import { chainRecord, EMPTY_HEAD, headAfter } from "@sonde/trust/chain";
import { hubLogLeaf } from "@sonde/trust/hub-log";
import { appendLeaf, EMPTY_FRONTIER, rootOf } from "@sonde/trust/log";
import { attestTree } from "@sonde/trust/testing";
import { buildCall } from "./audit-append.ts";

/** Room for the first line, which is known last. JSON may end with blanks. */
const FIRST_LINE = 16_384;
const TOGETHER = 1_000;

/** Writes an export of so many calls and answers, signed to the last one. */
export async function writeSampleExport(path: string, size: number): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.write(`${" ".repeat(FIRST_LINE - 1)}\n`);
    const { tree, head } = await writeEntries(file, size);
    const searched = { from: 1, to: size };
    await file.write(
      `${JSON.stringify({ complete: true, searched, entries: size, filters: {}, head })}\n`,
    );
    await file.write(JSON.stringify({ attestation: await attestTree(tree) }), 0);
  } finally {
    await file.close();
  }
}

async function writeEntries(file: FileHandle, size: number) {
  let head = EMPTY_HEAD;
  let frontier = EMPTY_FRONTIER;
  let lines: string[] = [];
  while (head.size < size) {
    const entry = chainRecord(head, buildCall());
    head = headAfter(entry);
    frontier = appendLeaf(frontier, hubLogLeaf(entry.hash));
    lines.push(`${JSON.stringify(entry)}\n`);
    if (lines.length < TOGETHER && head.size < size) continue;
    await file.write(lines.join(""));
    lines = [];
  }
  return { head, tree: { size, root: rootOf(frontier) } };
}
