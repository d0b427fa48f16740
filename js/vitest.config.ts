import { defineConfig } from "vitest/config";

export default defineConfig({
  // A test that needs a document says so itself: // @vitest-environment jsdom
  test: {
    environment: "node",
    include: ["test/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    unstubGlobals: true,
  },
});
