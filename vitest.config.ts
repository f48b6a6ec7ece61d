import { defineConfig } from "vitest/config";

/** Tiers of tests, by folder. `npm test` runs all whose tools are there; see commands/test.ts. */
export default defineConfig({
  test: {
    // Vitest leaves a core free; on two cores that is half of them.
    maxWorkers: "100%",
    // What did not change since the last run is not transformed again.
    experimental: { fsModuleCache: true, fsModuleCachePath: ".local/cache/vitest" },
    projects: [
      // Pure functions need no module registry of their own, and share the helpers that start a Python process once.
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 30_000,
          isolate: false,
          setupFiles: ["test/support/fewer-runs.ts"],
        },
      },
      // Commands as their users run them, and the programs that they run: a process or more for each test.
      {
        test: {
          name: "commands",
          include: ["test/commands/**/*.test.ts"],
          testTimeout: 30_000,
          isolate: false,
        },
      },
      // Nor does the SDK need to be loaded for each file: every run of a program has mocks and a stack of its own.
      {
        test: {
          name: "program",
          include: ["test/program/**/*.test.ts"],
          testTimeout: 60_000,
          isolate: false,
        },
      },
      // The examples in the components' comments, by the compiler: as long as many tests together.
      { test: { name: "examples", include: ["test/examples/**/*.test.ts"], testTimeout: 60_000 } },
      // Every alert by Prometheus' own test program: half a second each.
      { test: { name: "rules", include: ["test/rules/**/*.test.ts"], testTimeout: 60_000 } },
      { test: { name: "differential", include: ["test/differential/**/*.test.ts"], testTimeout: 300_000 } },
      {
        // The real engine and the real servers: one file after the other, since they share two cores.
        test: {
          name: "engine",
          include: ["test/engine/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        // Kubernetes itself: only one real node at a time has room on a machine.
        test: {
          name: "cluster",
          include: ["test/cluster/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
