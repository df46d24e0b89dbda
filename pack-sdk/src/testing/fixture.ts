import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { ProbeName } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { Code, ProbeOutcome } from "@sonde/schemas/reads";
import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;

/** One recorded call of a probe: the data that was read, and the expected answer. */
export const Fixture = Type.Object(
  {
    /** Where the data was recorded, such as "podman 4.3.1" on "Debian 12". */
    captured: Type.Object(
      {
        tool: Type.String({ minLength: 1, maxLength: 100 }),
        distribution: Type.String({ minLength: 1, maxLength: 100 }),
      },
      closed,
    ),
    probe: ProbeName,
    params: Type.Record(Type.String(), Type.Unknown()),
    /** Unix time in ms at which the reads began. */
    now: Type.Integer({ minimum: 0 }),
    reads: Type.Record(Type.String(), ProbeOutcome),
    /** Absent until recorded. */
    expected: Type.Optional(
      Type.Union([
        Type.Object({ result: Type.Unknown() }, closed),
        Type.Object({ failure: Code }, closed),
      ]),
    ),
  },
  closed,
);
export type Fixture = Static<typeof Fixture>;

export type NamedFixture = { name: string; file: string; fixture: Fixture };

export const parseFixture = buildParser(Fixture, "fixture", "BAD_REQUEST");

/**
 * Reads every `fixtures/*.json` of a pack's folder, sorted by name. Without such a folder there are
 * none.
 *
 * @throws SondeError BAD_REQUEST naming a file that is not a fixture
 */
export async function readFixtures(folder: string): Promise<NamedFixture[]> {
  return Promise.all((await listFixtures(folder)).map(readFixture));
}

/** @throws SondeError BAD_REQUEST naming the file when it is not a fixture */
export async function readFixture(file: string): Promise<NamedFixture> {
  try {
    const fixture = parseFixture(parseJson(await readFile(file), "fixture", "BAD_REQUEST"));
    return { name: path.basename(file, ".json"), file, fixture };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SondeError("BAD_REQUEST", `${path.basename(file)}: ${why}`, { cause });
  }
}

/** Lists the files of a pack's fixtures, sorted by name. */
export async function listFixtures(folder: string): Promise<string[]> {
  try {
    const fixtures = path.join(folder, "fixtures");
    const names = await readdir(fixtures);
    return names
      .filter((name) => name.endsWith(".json"))
      .sort()
      .map((name) => path.join(fixtures, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
