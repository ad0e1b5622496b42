import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const server = 'http://localhost:9000'

export default defineConfig({
  plugins: [react()],
  // The binary's policy allows files of its own only: nothing is inlined.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  // With `npm run dev` beside a running server, the page is reloaded as it is written.
  server: { proxy: { '/api': server, '/socket.io': { target: server, ws: true } } },
})
