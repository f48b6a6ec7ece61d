import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/unit/**/*.test.ts"],
    // The tests change nothing that is shared: files need no process each, which would double the time.
    isolate: false,
  },
});
