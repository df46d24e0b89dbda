// What a pack imports. It has no dependency and no Node types, because it runs inside the guest.
export { pack, type Pack, type PackDefinition } from "./pack.ts";
export { probe, type GuestInput, type Probe, type RunInput } from "./probe.ts";
export {
  param,
  read,
  type Failure,
  type ForEach,
  type HoleFill,
  type Look,
  type Read,
} from "./read.ts";
export { runbook, type Condition, type Rule, type Runbook } from "./runbook.ts";
export { hole, source, type Hole, type Source } from "./source.ts";
export { t, type Infer, type TypedSchema, type ValueSchema } from "./t.ts";
