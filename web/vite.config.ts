import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// Where `npm run dev` finds a running server.
const server = 'http://localhost:7880'

export default defineConfig({
  plugins: [react(), tailwindcss()],
  server: {
    proxy: {
      '/api': server,
      '/health': server,
      '/rtc': { target: server, ws: true },
    },
  },
  build: {
    // Everything is a file of its own under /assets/, so that a content
    // security policy of 'self' is enough: no data: URLs, no inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // livekit-client is about half a megabyte and is loaded with the room page.
    chunkSizeWarningLimit: 800,
  },
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
  },
})
