import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { buildParser } from "@sonde/schemas/parse";
import { hubLogKey } from "@sonde/trust/hub-log";
import { formatNoteKey, openCheckpoint, parseNoteKey } from "@sonde/trust/log";
import { createSampleLog } from "@sonde/trust/testing";
import { expect, test } from "vitest";
import { WitnessedLogs, WitnessList } from "../witness-settings.ts";

// What docs/audit-witnesses.md shows works.
const document = readFileSync(
  resolve(import.meta.dirname, "../../../docs/audit-witnesses.md"),
  "utf8",
);
const blocksOf = (language: string) =>
  [...document.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    ([, block]) => block ?? "",
  );
const [log = "", witness = ""] = blocksOf("json");

test("the configuration that it shows is one, with each kind and a witness's key", () => {
  const { auditWitnesses } = JSON.parse(log) as { auditWitnesses: unknown };
  const parsed = buildParser(WitnessList, "auditWitnesses", "CONFIG_INVALID")(auditWitnesses);
  expect(parsed.map(({ kind }) => kind)).toEqual(["tlog-witness", "webhook", "file"]);
  const [outside] = parsed;
  if (outside?.kind !== "tlog-witness") throw new Error("expected a witness with a key");
  expect(parseNoteKey(outside.key, "cosignature").name).toMatch(
    /^sonde\.hub\/[0-9a-f-]+\/witness$/,
  );
});

test("the list of logs that it shows is one, and names the log of a hub", () => {
  const { witnessFor } = JSON.parse(witness) as { witnessFor: unknown };
  const parsed = buildParser(WitnessedLogs, "witnessFor", "CONFIG_INVALID")(witnessFor);
  const [key] = parsed.map((vkey) => parseNoteKey(vkey));
  if (key === undefined) throw new Error("expected a log");
  const hubId = key.name.replace("sonde.hub/", "");
  expect(formatNoteKey(hubLogKey(hubId, key.publicKey))).toBe(parsed[0]);
});

test("the line that it shows splits a file of checkpoints into notes", () => {
  const [, pattern = ""] = /`split\(\/(.+)\/mu\)`/.exec(document) ?? [];
  const sample = createSampleLog("sonde.hub/sample");
  const notes = [1, 2].map((entry) => {
    sample.append(Buffer.from(`entry ${entry}`));
    return sample.checkpoint();
  });
  const split = notes
    .map((note) => `${note}\n`)
    .join("")
    .split(new RegExp(pattern, "mu"))
    .filter((note) => note !== "");
  expect(split.map((note) => openCheckpoint(note, sample.key).size)).toEqual([1, 2]);
});
