import { useEffect } from 'react'
import { screenShareAvailable } from '../media/devices'
import type { Session, SessionState, Switch } from '../session/session'
import { RoundButton } from '../ui/button'

interface ControlsProps {
  session: Session
  state: SessionState
  chatOpen: boolean
  unread: number
  onChat: () => void
  onSettings: () => void
}

/** The row of buttons under the room. */
export function Controls({ session, state, chatOpen, unread, onChat, onSettings }: ControlsProps) {
  useShortcuts(session)
  const { microphone, camera, screen, pending } = state
  return (
    <div role="toolbar" aria-label="Call controls" className="flex items-center justify-center gap-2 sm:gap-3">
      <RoundButton
        testId="toggle-mic"
        data-on={microphone}
        icon={microphone ? 'mic' : 'micOff'}
        label={microphone ? 'Mute' : 'Unmute'}
        look={microphone ? 'normal' : 'off'}
        busy={pending.microphone ?? false}
        aria-keyshortcuts="Control+D"
        onClick={() => session.turn('microphone', !microphone)}
      />
      <RoundButton
        testId="toggle-camera"
        data-on={camera}
        icon={camera ? 'camera' : 'cameraOff'}
        label={camera ? 'Turn camera off' : 'Turn camera on'}
        look={camera ? 'normal' : 'off'}
        busy={pending.camera ?? false}
        aria-keyshortcuts="Control+E"
        onClick={() => session.turn('camera', !camera)}
      />
      {screenShareAvailable() && (
        <RoundButton
          testId="toggle-screen"
          data-on={screen}
          icon={screen ? 'screenOff' : 'screen'}
          label={screen ? 'Stop sharing' : 'Share screen'}
          look={screen ? 'lit' : 'normal'}
          busy={pending.screen ?? false}
          onClick={() => session.turn('screen', !screen)}
        />
      )}
      <RoundButton
        testId="toggle-chat"
        data-on={chatOpen}
        icon="chat"
        label={chatOpen ? 'Close chat' : 'Open chat'}
        look={chatOpen ? 'lit' : 'normal'}
        badge={unread}
        aria-expanded={chatOpen}
        onClick={onChat}
      />
      <RoundButton testId="open-settings" icon="settings" label="Camera and sound" onClick={onSettings} />
      <RoundButton testId="leave" icon="leave" label="Leave" look="leave" onClick={() => session.leave()} />
    </div>
  )
}

const keys: Record<string, Exclude<Switch, 'screen'>> = { d: 'microphone', e: 'camera' }

/** Ctrl or Cmd with D and E, as in other meeting programs. */
function useShortcuts(session: Session): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const what = keys[event.key.toLowerCase()]
      if (!what || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return
      event.preventDefault()
      const { value } = session.store
      if (!event.repeat && !value.pending[what]) void session.turn(what, !value[what])
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [session])
}
