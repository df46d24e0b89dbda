// What a runbook may say, and what it finds in answers. Pure, so that the hub, a pack's tests and
// every verifier have the same one.
export { checkRunbook } from "./check-runbook.ts";
export { type Finding, type Judgement, judge, type Unseen } from "./judge.ts";
