// In the room.

import { useCallback, useRef, useState } from 'react'
import type { RoomInfo } from '../api'
import type { Session } from '../session/session'
import { useStore } from '../session/store'
import { screenOnStage, type Tile } from '../session/tiles'
import { Button } from '../ui/button'
import { Banner } from '../ui/message'
import { ChatPanel } from './chat-panel'
import { Controls } from './controls'
import { CopyLink, Header } from './header'
import { NoticeList } from './notice-list'
import { Settings } from './settings'
import { Sounds } from './sounds'
import { Stage } from './stage'
import { useWakeLock } from './wake-lock'

export function Call({ session, info }: { session: Session; info: RoomInfo }) {
  const state = useStore(session.store)
  const chat = useStore(session.chat.store)
  const [settings, setSettings] = useState(false)
  const [focus, setFocus] = useFocus(state.tiles)
  const controls = useRef<HTMLElement>(null)
  useWakeLock()

  function closeChat() {
    session.chat.setOpen(false)
    controls.current?.querySelector<HTMLElement>('[data-testid=toggle-chat]')?.focus()
  }

  return (
    <div className="flex h-full flex-col overflow-hidden" data-testid="call" data-status={state.status}>
      <Header info={info} count={state.count} />
      <main className="flex min-h-0 flex-1 gap-3 px-2 sm:px-4">
        <div className="relative flex min-w-0 flex-1 flex-col gap-2 sm:gap-3">
          <Banners session={session} status={state.status} soundBlocked={state.soundBlocked} />
          <div className="relative flex min-h-0 flex-1">
            <Stage tiles={state.tiles} focus={focus} onFocus={setFocus} />
            {state.count === 1 && state.status === 'connected' && !focus && <Invite code={info.code} />}
            <NoticeList notices={session.notices} />
          </div>
        </div>
        {chat.open && <ChatPanel chat={session.chat} onClose={closeChat} />}
      </main>
      <footer ref={controls} className="shrink-0 px-2 pt-2.5 pb-[max(0.75rem,env(safe-area-inset-bottom))] sm:pt-3 sm:pb-4">
        <Controls
          session={session}
          state={state}
          chatOpen={chat.open}
          unread={chat.unread}
          onChat={() => session.chat.setOpen(!chat.open)}
          onSettings={() => setSettings(true)}
        />
      </footer>
      <Sounds sounds={state.sounds} onBlocked={session.soundBlocked} />
      {settings && <Settings session={session} onClose={() => setSettings(false)} />}
    </div>
  )
}

/**
 * Which tile has the stage: the one that was chosen, else a shared screen.
 * Choosing none shows the grid until somebody shares another screen.
 */
function useFocus(tiles: Tile[]): [Tile | undefined, (key: string | null) => void] {
  const [chosen, setChosen] = useState<string | null | undefined>(undefined)
  const screen = screenOnStage(tiles)
  const screenKey = screen?.key
  const [lastScreen, setLastScreen] = useState(screenKey)
  if (lastScreen !== screenKey) {
    setLastScreen(screenKey)
    setChosen(undefined)
  }
  const picked = tiles.find((tile) => tile.key === chosen)
  const focus = picked ?? (chosen === null ? undefined : screen)
  return [focus, useCallback((key: string | null) => setChosen(key), [])]
}

interface BannersProps {
  session: Session
  status: string
  soundBlocked: boolean
}

function Banners({ session, status, soundBlocked }: BannersProps) {
  return (
    <>
      {status === 'reconnecting' && (
        <Banner kind="reconnecting" busy>
          The connection was lost. Coming back…
        </Banner>
      )}
      {soundBlocked && status === 'connected' && (
        <Banner kind="sound-blocked">
          Your browser holds the sound back until you click.
          <Button testId="start-audio" icon="speaker" className="h-9 px-3 text-sm" onClick={() => session.startSound()}>
            Play sound
          </Button>
        </Banner>
      )}
    </>
  )
}

/** Somebody alone in a room wants others to come. */
function Invite({ code }: { code: string }) {
  return (
    <section
      aria-label="Invite others"
      className="absolute inset-x-0 bottom-14 mx-auto flex w-fit max-w-[calc(100%-2rem)] animate-rise flex-col items-center gap-3 rounded-2xl border border-ink-700 bg-ink-900/95 px-6 py-5 text-center shadow-2xl"
    >
      <p className="font-semibold text-paper">You are the only one here</p>
      <p className="text-sm text-ink-300">
        Pass on the link, or the code <span className="font-mono text-lamp">{code}</span>
      </p>
      <CopyLink code={code} testId="copy-invite" full />
    </section>
  )
}
