export { type ScrubRun, buildRedactions, scrub, scrubSentence } from "./scrub.ts";
