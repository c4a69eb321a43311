import type { Room } from 'livekit-client'

declare global {
  interface Window {
    /** A handle for debugging and tests: the livekit-client Room of the latest call. */
    fanlight?: { room: Room }
  }
}
