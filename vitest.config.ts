import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Unit tests run on source, through the `sonde:source` export condition.
const conditions = ["sonde:source", "node", "import", "default"];
const packages = [
  "schemas",
  "foundation/files",
  "foundation/trust",
  "foundation/sources",
  "foundation/runbooks",
  "foundation/scrub",
  "foundation/database",
  "foundation/privileges",
  "foundation/service",
  "pack-sdk",
  "agent/daemon",
  "agent/runner",
  "hub",
  "registry",
  "cli",
  "test/agent",
  "test/services",
  "test/wire",
  "test/evidence",
  "test/hosts",
  "test/incidents",
  "test/soak",
];
// What a test waits for comes soon, or late on a busy machine: the wait ends when it is there.
const patience = {
  expect: { poll: { timeout: 15_000 } },
  testTimeout: 60_000,
  hookTimeout: 120_000,
};
// Most files wait for processes, databases and deadlines rather than for a processor.
const maxWorkers = 2 * availableParallelism();
const shared = {
  ssr: { resolve: { conditions, externalConditions: conditions } },
  resolve: { conditions },
};

export default defineConfig({
  test: {
    globalSetup: "test/product/serve-run.ts",
    projects: [
      ...packages.map((name) => ({
        ...shared,
        test: {
          name: name.replace("/", "-"),
          include: [`${name}/**/*.test.ts`],
          pool: "forks" as const,
          maxWorkers,
          ...patience,
        },
      })),
      {
        ...shared,
        test: {
          name: "packs",
          include: ["packs/*/src/**/*.test.ts"],
          pool: "forks" as const,
          maxWorkers,
          ...patience,
        },
      },
      {
        ...shared,
        test: {
          name: "structure",
          include: ["test/*.test.ts", "test/scripts/*.test.ts"],
          pool: "forks" as const,
          maxWorkers,
          ...patience,
        },
      },
      {
        ...shared,
        test: {
          // Starts the bundled product as real processes, of which three fit side by side.
          name: "end-to-end",
          include: ["test/end-to-end/**/*.test.ts", "test/attacks/**/*.test.ts"],
          globalSetup: "test/product/prepare-machine.ts",
          pool: "forks" as const,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
          ...patience,
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
    ],
  },
});
