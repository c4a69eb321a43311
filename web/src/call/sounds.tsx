import { memo, useEffect, useRef } from 'react'
import type { Sound } from '../session/tiles'

/** Everybody's sound, played but not shown. */
export const Sounds = memo(function Sounds({ sounds }: { sounds: Sound[] }) {
  return (
    <div hidden data-testid="sounds">
      {sounds.map((sound) => (
        <Player key={sound.key} track={sound.track} />
      ))}
    </div>
  )
})

function Player({ track }: { track: Sound['track'] }) {
  const element = useRef<HTMLAudioElement>(null)
  useEffect(() => {
    const target = element.current
    if (!target) return
    track.attach(target)
    return () => void track.detach(target)
  }, [track])
  return <audio ref={element} autoPlay />
}
