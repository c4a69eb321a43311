import { useEffect, useRef } from 'react'
import { mediaAvailable } from '../media/devices'
import { useLevel } from '../media/level'
import type { Preview } from '../media/preview'
import { useStore } from '../session/store'
import { Avatar } from '../ui/avatar'
import { RoundButton } from '../ui/button'
import { Problem } from '../ui/message'

interface PreviewBoxProps {
  preview: Preview
  name: string
}

/** One's own picture, the level of the microphone, and the two switches. */
export function PreviewBox({ preview, name }: PreviewBoxProps) {
  const { camera, microphone } = useStore(preview.store)
  const video = useRef<HTMLVideoElement>(null)
  const meter = useRef<HTMLDivElement>(null)
  const track = camera.track
  useEffect(() => {
    const element = video.current
    if (!track || !element) return
    track.attach(element)
    return () => void track.detach(element)
  }, [track])
  useLevel(microphone.track?.mediaStreamTrack, meter)
  const possible = mediaAvailable()
  const asking = (camera.busy || microphone.busy) && !camera.track && !microphone.track

  return (
    <div className="min-w-0 space-y-3">
      <div className="relative mx-auto aspect-[4/3] w-full overflow-hidden rounded-3xl border border-ink-800 bg-ink-900 sm:aspect-video" data-testid="preview" data-video={track ? 'on' : 'off'}>
        <video ref={video} muted playsInline autoPlay className={`size-full -scale-x-100 object-cover ${track ? '' : 'hidden'}`} />
        {!track && (
          <div className="flex size-full flex-col items-center justify-center gap-4 pb-10 text-ink-300">
            <Avatar name={name || '?'} identity={name} className="w-28" />
            {asking ? 'Your browser asks for camera and microphone: allow them' : camera.busy ? 'Starting the camera…' : 'Your camera is off'}
          </div>
        )}
        <div className="absolute inset-x-0 bottom-0 flex items-center justify-center gap-3 bg-gradient-to-t from-black/60 to-transparent p-4">
          <RoundButton
            testId="toggle-mic"
            data-on={microphone.wanted}
            icon={microphone.wanted ? 'mic' : 'micOff'}
            label={microphone.wanted ? 'Turn the microphone off' : 'Turn the microphone on'}
            look={microphone.wanted ? 'normal' : 'off'}
            busy={microphone.busy}
            disabled={!possible}
            onClick={() => preview.turn('microphone', !microphone.wanted)}
          />
          <RoundButton
            testId="toggle-camera"
            data-on={camera.wanted}
            icon={camera.wanted ? 'camera' : 'cameraOff'}
            label={camera.wanted ? 'Turn the camera off' : 'Turn the camera on'}
            look={camera.wanted ? 'normal' : 'off'}
            busy={camera.busy}
            disabled={!possible}
            onClick={() => preview.turn('camera', !camera.wanted)}
          />
        </div>
      </div>
      <div className="mx-auto flex items-center gap-3 text-sm text-ink-400">
        <span className="shrink-0">Microphone</span>
        <div ref={meter} data-testid="mic-level" role="img" aria-label="Level of the microphone" className="h-1.5 flex-1 overflow-hidden rounded-full bg-ink-800">
          {microphone.track && (
            <div className="h-full w-full origin-left rounded-full bg-fine" style={{ transform: 'scaleX(var(--level, 0))' }} />
          )}
        </div>
      </div>
      {camera.problem && <Problem words={camera.problem} />}
      {microphone.problem && <Problem words={microphone.problem} />}
    </div>
  )
}
