// What a source needs, how far it reaches and what it never may, without the verifier: for
// processes that must stay small.
export { classifySource, effectiveCapability } from "../pack/classify-source.ts";
export { deriveRequires } from "../pack/derive-requires.ts";
export { UNREADABLE_OF_PROC, isReadableOfProcess } from "../pack/process-files.ts";
