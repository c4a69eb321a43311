import { memo, useEffect, useRef } from 'react'
import type { Sound } from '../session/tiles'

/** Told when the browser refuses to play before a click, and when it plays after all. */
type Blocked = (key: string, blocked: boolean) => void

/** Everybody's sound, played but not shown. */
export const Sounds = memo(function Sounds({ sounds, onBlocked }: { sounds: Sound[]; onBlocked: Blocked }) {
  return (
    <div hidden data-testid="sounds">
      {sounds.map((sound) => (
        <Player key={sound.key} sound={sound} onBlocked={onBlocked} />
      ))}
    </div>
  )
})

function Player({ sound: { key, track }, onBlocked }: { sound: Sound; onBlocked: Blocked }) {
  const element = useRef<HTMLAudioElement>(null)
  useEffect(() => {
    const target = element.current
    if (!target) return
    let current = true
    track.attach(target)
    target.play().catch((error: unknown) => {
      if (current && error instanceof DOMException && error.name === 'NotAllowedError') onBlocked(key, true)
    })
    return () => {
      current = false
      onBlocked(key, false)
      track.detach(target)
    }
  }, [key, track, onBlocked])
  return <audio ref={element} autoPlay onPlaying={() => onBlocked(key, false)} />
}
