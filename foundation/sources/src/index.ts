// What each kind of source needs, how far it reaches, what it never may and how it reads in words.
// Without the verifier: also for processes that must stay small.
export { checkSource } from "./check-source.ts";
export { classifySource, effectiveCapability } from "./classify-source.ts";
export { deriveRequires } from "./derive-requires.ts";
export { describeRead, titleOf } from "./describe-read.ts";
export { findMisfit } from "./hole-value.ts";
export { UNREADABLE_OF_PROC, isReadableOfProcess } from "./process-files.ts";
export { renderArgv } from "./kinds/exec.ts";
export { renderRequestTarget } from "./kinds/http.ts";
export { filledWith, renderTemplate } from "./render-template.ts";
export { pathPattern } from "./template.ts";
