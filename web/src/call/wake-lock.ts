import { useEffect } from 'react'

/** Keeps the display on during a call, where the browser can do that. */
export function useWakeLock(): void {
  useEffect(() => {
    let over = false
    let lock: WakeLockSentinel | undefined
    const take = async () => {
      if (over || document.visibilityState !== 'visible') return
      try {
        lock = await navigator.wakeLock.request('screen')
        if (over) await lock.release()
      } catch {
        // Not offered, or the battery is low: the display may go dark.
      }
    }
    void take()
    // The browser gives the lock back whenever the page is hidden.
    document.addEventListener('visibilitychange', take)
    return () => {
      over = true
      document.removeEventListener('visibilitychange', take)
      void lock?.release()
    }
  }, [])
}
