export { buildAdmitProgram } from "./build-admit-program.ts";
export { type SampleRegistry, startSampleRegistry } from "./sample-registry.ts";
export { createSampleLog, type SampleLog } from "./sample-log.ts";
export {
  buildSampleArchive,
  buildSampleManifest,
  buildSamplePolicy,
  createSampleKey,
  signSample,
  type SampleKey,
  type SampleLies,
  type SampleParts,
} from "./sample-pack.ts";
