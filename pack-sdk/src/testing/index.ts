// For an author's tests, under any test runner, and for `sonde-pack test`.
export {
  type Fixture,
  listFixtures,
  type NamedFixture,
  parseFixture,
  readFixture,
  readFixtures,
} from "./fixture.ts";
export { openRunbookTest, type RunbookTest } from "./open-runbook-test.ts";
export {
  type FixtureOutcome,
  type PackTest,
  isExpected,
  openPackTest,
  runDirectly,
} from "./open-pack-test.ts";
