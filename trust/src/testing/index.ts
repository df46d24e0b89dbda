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
