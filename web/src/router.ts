// Two pages: "/" and "/r/{code}".

import { useSyncExternalStore } from 'react'

export type Route = { page: 'home' } | { page: 'room'; code: string } | { page: 'unknown' }

export function parsePath(path: string): Route {
  if (path === '/' || path === '' || path === '/index.html') return { page: 'home' }
  const room = /^\/r\/([^/]+)\/?$/.exec(path)
  return room?.[1] ? { page: 'room', code: room[1] } : { page: 'unknown' }
}

const changed = 'fanlight:navigate'

/** Goes to a path of this site; `replace` leaves no entry in the history. */
export function navigate(path: string, replace = false): void {
  if (replace) history.replaceState(null, '', path)
  else history.pushState(null, '', path)
  window.dispatchEvent(new Event(changed))
}

/** The current path, kept up to date. */
export function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.pathname)
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('popstate', listener)
  window.addEventListener(changed, listener)
  return () => {
    window.removeEventListener('popstate', listener)
    window.removeEventListener(changed, listener)
  }
}
