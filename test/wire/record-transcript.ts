// Records a session of this release:
//   npm run record-transcript             of the present state, anew after each change of the wire
//   npm run record-transcript -- 0.2.0    of a release, for good
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { recordSession } from "./record-session.ts";
import { PRESENT } from "./transcript.ts";

const [release = PRESENT] = process.argv.slice(2);
const file = join(import.meta.dirname, `transcripts/${release}.json`);
const transcript = await recordSession(release);
// What a release sent never changes.
const flag = release === PRESENT ? "w" : "wx";
writeFileSync(file, `${JSON.stringify(transcript, null, 2)}\n`, { flag });
process.stdout.write(`${file}\n`);
