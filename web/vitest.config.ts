import { defineConfig } from 'vitest/config'

const slow = { testTimeout: 30_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    projects: [
      // Pure functions, and components in a document without a browser.
      { test: { name: 'page', include: ['src/{app,features,lib,ui}/**/*.test.{ts,tsx}'], environment: 'happy-dom' } },
      // The contract, and the stock client against the binary.
      { test: { name: 'wire', include: ['src/{wire,live}/**/*.test.ts'], ...slow } },
      // Browsers against the binary.
      { test: { name: 'browser', include: ['e2e/**/*.test.ts'], ...slow } },
    ],
  },
})
