// The rules of each kind of source: what it needs, its level, what it may never read, and
// its description. This package does not load the verifier, so that small processes can
// use it.
export { checkSource } from "./check-source.ts";
export { classifySource, effectiveCapability } from "./classify-source.ts";
export { isInPrivateFolder } from "./declared-private-paths.ts";
export { deriveRequires } from "./derive-requires.ts";
export { describeRead, titleOf } from "./describe-read.ts";
export { findMisfit } from "./hole-value.ts";
export { UNREADABLE_OF_PROC, isReadableOfProcess } from "./process-files.ts";
export { renderArgv } from "./kinds/exec.ts";
export { renderRequestTarget } from "./kinds/http.ts";
export { filledWith, renderTemplate } from "./render-template.ts";
export { pathPattern } from "./template.ts";
