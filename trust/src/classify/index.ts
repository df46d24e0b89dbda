// What a source needs and how far it reaches, without the verifier: for
// processes that must stay small.
export { classifySource, effectiveCapability } from "../pack/classify-source.ts";
export { deriveRequires } from "../pack/derive-requires.ts";
