// Before the call: who am I, how do I look, does the microphone hear me.

import { useEffect, useState, type FormEvent } from 'react'
import type { RoomInfo } from '../api'
import { DeviceSelect } from '../call/device-select'
import { insecureWords, type Words } from '../lib/errors'
import { cleanName, countPeople, maxNameLength } from '../lib/people'
import { mediaAvailable, useDevices } from '../media/devices'
import { Preview, type Input } from '../media/preview'
import { useStore } from '../session/store'
import { joinWords } from '../session/words'
import { recallDevices, rememberDevice } from '../storage'
import { Button } from '../ui/button'
import { Logo } from '../ui/logo'
import { Problem } from '../ui/message'
import { SecureNote } from '../ui/secure-note'
import { PreviewBox } from './preview-box'
import type { Entry } from './room'

interface PreJoinProps {
  info: RoomInfo
  name: string
  wanted: Record<Input, boolean>
  /** Why an earlier try to join failed. */
  problem?: Words | undefined
  /** Resolves when the person is in the room; throws what keeps them out. */
  onJoin: (entry: Entry) => Promise<void>
}

export function PreJoin({ info, name: knownName, wanted, problem: earlier, onJoin }: PreJoinProps) {
  const preview = usePreview(wanted)
  const [name, setName] = useState(knownName)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState(earlier)
  const clean = cleanName(name)

  async function join(event: FormEvent) {
    event.preventDefault()
    if (!clean || busy) return
    setBusy(true)
    setProblem(undefined)
    const { camera, microphone } = preview.store.value
    try {
      await onJoin({ name: clean, camera: camera.wanted, microphone: microphone.wanted, tracks: preview.take() })
    } catch (error) {
      preview.giveBack()
      setProblem(joinWords(error))
      setBusy(false)
    }
  }

  return (
    <div className="glow flex min-h-full flex-col">
      <header className="mx-auto w-full max-w-6xl px-5 pt-5 sm:px-8 sm:pt-7">
        <a href="/" aria-label="Fanlight, home">
          <Logo />
        </a>
      </header>
      <div className="mx-auto w-full max-w-6xl px-5 pt-4 empty:hidden sm:px-8">
        <SecureNote path={location.pathname} />
      </div>
      <main className="mx-auto grid w-full max-w-6xl flex-1 content-center items-center gap-x-12 gap-y-6 px-5 py-6 sm:px-8 lg:grid-cols-[1fr_22rem]">
        <PreviewBox preview={preview} name={clean} />
        <form onSubmit={join} className="space-y-5">
          <div>
            <h1 className="text-3xl font-bold tracking-tight text-paper">{info.name || 'Ready to join?'}</h1>
            <p className="mt-2 text-ink-300">
              <span className="font-mono text-lamp" data-testid="room-code">
                {info.code}
              </span>
              <span className="mx-2 text-ink-600">·</span>
              {presence(info.participants)}
            </p>
          </div>
          <div>
            <label htmlFor="name" className="mb-1.5 block text-sm font-medium text-ink-300">
              Your name
            </label>
            <input
              id="name"
              data-testid="name-input"
              className="field"
              value={name}
              onChange={(event) => setName(event.target.value)}
              maxLength={maxNameLength}
              autoComplete="name"
              autoCapitalize="words"
              placeholder="How others will see you"
              // oxlint-disable-next-line jsx-a11y/no-autofocus -- the one thing to fill in on this page
              autoFocus={!knownName}
              required
            />
          </div>
          {problem && <Problem words={problem} />}
          <Button testId="prejoin-join" type="submit" busy={busy} disabled={!clean} className="w-full">
            {busy ? 'Joining…' : 'Join now'}
          </Button>
          <PreviewDevices preview={preview} />
        </form>
      </main>
    </div>
  )
}

function PreviewDevices({ preview }: { preview: Preview }) {
  const { camera, microphone } = useStore(preview.store)
  // The names of the devices are known once one of them has been opened.
  const list = useDevices(`${camera.track?.mediaStreamID} ${microphone.track?.mediaStreamID}`)
  const [chosen, setChosen] = useState(recallDevices)
  const inUse = { camera, microphone }

  if (!mediaAvailable()) return <Problem words={insecureWords} />
  return (
    <div className="space-y-3">
      {(['camera', 'microphone', 'speaker'] as const).map((kind) => (
        <DeviceSelect
          key={kind}
          kind={kind}
          devices={list[kind]}
          value={(kind === 'speaker' ? undefined : inUse[kind].track?.mediaStreamTrack.getSettings().deviceId) ?? chosen[kind]}
          onChange={(id) => {
            rememberDevice(kind, id)
            setChosen({ ...chosen, [kind]: id })
            if (kind !== 'speaker') preview.chooseDevice(kind, id)
          }}
        />
      ))}
    </div>
  )
}

/** The preview lives as long as the page and lets go of the devices with it. */
function usePreview(wanted: Record<Input, boolean>): Preview {
  const [preview] = useState(() => {
    const possible = mediaAvailable()
    return new Preview({ camera: wanted.camera && possible, microphone: wanted.microphone && possible }, recallDevices())
  })
  useEffect(() => {
    preview.start()
    return () => preview.release()
  }, [preview])
  return preview
}

function presence(participants: number): string {
  if (participants === 0) return 'Nobody else is here yet'
  return `${countPeople(participants).replace(/^o/, 'O')} in the room`
}
