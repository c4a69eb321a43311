import { useEffect, useRef, useState } from 'react'
import { useDevices } from '../media/devices'
import type { Session } from '../session/session'
import { rememberDevice } from '../storage'
import { Button } from '../ui/button'
import { DeviceSelect } from './device-select'

const names = { camera: 'videoinput', microphone: 'audioinput', speaker: 'audiooutput' } as const

/** Which camera, microphone and speaker to use, during the call. */
export function Settings({ session, onClose }: { session: Session; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const list = useDevices(session)
  const [, redraw] = useState(0)
  useEffect(() => dialog.current?.showModal(), [])
  const empty = list.camera.length + list.microphone.length + list.speaker.length === 0

  return (
    <dialog
      ref={dialog}
      data-testid="settings"
      aria-labelledby="settings-title"
      onClose={onClose}
      closedby="any"
      className="card m-auto w-[min(26rem,calc(100vw-2rem))] animate-rise bg-ink-900 p-0 text-ink-100"
    >
      <div className="space-y-5 p-6">
        <h2 id="settings-title" className="text-xl font-bold text-paper">
          Camera and sound
        </h2>
        <div className="space-y-3">
          {(['camera', 'microphone', 'speaker'] as const).map((kind) => (
            <DeviceSelect
              key={kind}
              kind={kind}
              devices={list[kind]}
              value={session.room.getActiveDevice(names[kind])}
              onChange={async (id) => {
                if (await session.chooseDevice(kind, id)) rememberDevice(kind, id)
                redraw((count) => count + 1)
              }}
            />
          ))}
          {empty && <p className="leading-relaxed text-ink-300">The browser shows this page no devices. Turn camera or microphone on first.</p>}
        </div>
        <Button look="quiet" testId="close-settings" className="w-full" onClick={() => dialog.current?.close()}>
          Done
        </Button>
      </div>
    </dialog>
  )
}
