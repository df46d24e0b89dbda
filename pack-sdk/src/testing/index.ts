// For an author's tests, under any test runner, and for `sonde-pack test`.
export { type Fixture, type NamedFixture, parseFixture, readFixtures } from "./fixture.ts";
export {
  type FixtureOutcome,
  type PackTest,
  isExpected,
  openPackTest,
  runDirectly,
} from "./open-pack-test.ts";
