export { type Finding, type ScrubExplanation, explainText } from "./explain-text.ts";
export { type OwnRules, compileOwnRules } from "./own-patterns.ts";
export {
  type ScrubRun,
  buildRedactions,
  cutSentence,
  scrub,
  scrubSentence,
  scrubWindow,
  startOwn,
} from "./scrub.ts";
export { MARKER_IN_TEXT } from "./replace-secrets.ts";
export { SecretNumbers } from "./secret-numbers.ts";
