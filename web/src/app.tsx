import { Component, Suspense, lazy, useEffect, type ReactNode } from 'react'
import { parseRoomCode, roomPath } from './lib/code'
import { unknownWords, type Words } from './lib/errors'
import { HomePage } from './pages/home'
import { SorryPage } from './pages/sorry'
import { navigate, parsePath, usePath } from './router'
import { Waiting } from './ui/waiting'

// The room brings livekit-client with it; the home page does not need that.
const RoomPage = lazy(() => import('./pages/room'))

const noPage: Words = {
  title: 'There is no such page',
  text: 'The address leads nowhere. Start from the home page.',
}

const noCode: Words = {
  title: 'There is no such room',
  text: 'The address has no room code in it: that would be ten letters, like abc-defg-hij.',
}

export function App() {
  return (
    <Guard>
      <Suspense fallback={<Waiting />}>
        <Page path={usePath()} />
      </Suspense>
    </Guard>
  )
}

function Page({ path }: { path: string }) {
  const route = parsePath(path)
  if (route.page === 'home') return <HomePage />
  if (route.page === 'unknown') return <SorryPage words={noPage} />
  const code = parseRoomCode(path)
  if (!code) return <SorryPage words={noCode} />
  return <CanonicalRoom key={code} code={code} />
}

/** Shows the room and corrects the address when the code was written another way. */
function CanonicalRoom({ code }: { code: string }) {
  useEffect(() => {
    if (location.pathname !== roomPath(code)) navigate(roomPath(code) + location.search, true)
  }, [code])
  return <RoomPage code={code} />
}

/** The last resort: a fault in the page itself still ends in words. */
class Guard extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: undefined }

  static getDerivedStateFromError(error: unknown) {
    return { error: error ?? new Error('unknown') }
  }

  override render() {
    if (this.state.error === undefined) return this.props.children
    return <SorryPage words={unknownWords(this.state.error)} onRetry={() => location.reload()} />
  }
}
