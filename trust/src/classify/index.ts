// What a source needs, how far it reaches, what it never may and how it reads in words, without the
// verifier: for processes that must stay small.
export { classifySource, effectiveCapability } from "../pack/classify-source.ts";
export { deriveRequires } from "../pack/derive-requires.ts";
export { describeRead } from "../pack/describe-read.ts";
export {
  filledWith,
  renderArgv,
  renderRequestTarget,
  renderTemplate,
} from "../pack/render-source.ts";
export { UNREADABLE_OF_PROC, isReadableOfProcess } from "../pack/process-files.ts";
