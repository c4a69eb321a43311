import { useState, type FormEvent } from 'react'
import { createRoom } from '../api'
import { parseRoomCode, roomPath } from '../lib/code'
import { apiWords, type Words } from '../lib/errors'
import { cleanName, maxNameLength } from '../lib/people'
import { navigate } from '../router'
import { recallName, rememberName } from '../storage'
import { Button } from '../ui/button'
import { Icon } from '../ui/icons'
import { Fanlight, Logo } from '../ui/logo'
import { Problem } from '../ui/message'
import { SecureNote } from '../ui/secure-note'
import { useTitle } from '../ui/use-title'

const unreadable: Words = {
  title: 'That is not a room code',
  text: 'Codes look like abc-defg-hij. You can also paste the whole link.',
}

export function HomePage() {
  useTitle()
  return (
    <div className="glow flex min-h-full flex-col">
      <header className="mx-auto flex w-full max-w-6xl items-center px-5 pt-5 sm:px-8 sm:pt-7">
        <Logo />
      </header>
      <div className="mx-auto w-full max-w-6xl px-5 pt-4 empty:hidden sm:px-8">
        <SecureNote path="/" />
      </div>
      <main className="mx-auto grid w-full max-w-6xl flex-1 content-center items-center gap-x-16 gap-y-8 px-5 py-8 sm:px-8 lg:grid-cols-[1fr_27rem]">
        <div className="max-lg:text-center">
          <h1 className="text-4xl leading-[1.08] font-bold tracking-tight text-balance text-paper sm:text-5xl lg:text-6xl">
            See each other <span className="text-lamp">in good light.</span>
          </h1>
          <p className="mt-4 max-w-md text-lg leading-relaxed text-ink-300 max-lg:mx-auto lg:mt-6">
            Open a room, pass on its link, talk. Picture and sound go through this server and nowhere else.
          </p>
          <ul className="mt-8 hidden space-y-3 text-ink-300 lg:block">
            {['No account and nothing to install', 'Share your screen and chat', 'Works on phones, tablets and desktops'].map((line) => (
              <li key={line} className="flex items-center gap-3">
                <Icon name="check" className="size-5 text-lamp" />
                {line}
              </li>
            ))}
          </ul>
        </div>
        <Door />
      </main>
    </div>
  )
}

function Door() {
  const [name, setName] = useState(recallName)
  const [entry, setEntry] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Words | null>(null)

  function keepName() {
    const clean = cleanName(name)
    if (clean) rememberName(clean)
  }

  async function create() {
    keepName()
    setBusy(true)
    setProblem(null)
    try {
      const room = await createRoom()
      navigate(roomPath(room.code))
    } catch (error) {
      setProblem(apiWords(error))
      setBusy(false)
    }
  }

  function join(event: FormEvent) {
    event.preventDefault()
    keepName()
    const code = parseRoomCode(entry)
    if (code) navigate(roomPath(code))
    else setProblem(unreadable)
  }

  return (
    <div className="mx-auto w-full max-w-[27rem]">
      <Fanlight className="mx-auto -mb-px block w-[70%] sm:w-full" />
      <section className="card space-y-5 p-5 sm:rounded-t-none sm:p-7" aria-label="Start or join a room">
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
          />
        </div>
        <Button testId="create-room" icon="plus" busy={busy} onClick={create} className="w-full">
          Create a room
        </Button>
        <div className="flex items-center gap-4 text-sm text-ink-400">
          <span className="h-px flex-1 bg-ink-700" />
          or join one
          <span className="h-px flex-1 bg-ink-700" />
        </div>
        <form onSubmit={join} className="flex gap-2">
          <label htmlFor="code" className="sr-only">
            Room code or link
          </label>
          <input
            id="code"
            data-testid="code-input"
            className="field"
            value={entry}
            onChange={(event) => setEntry(event.target.value)}
            placeholder="Code or link"
            autoComplete="off"
            autoCapitalize="none"
            autoCorrect="off"
            spellCheck={false}
            enterKeyHint="go"
          />
          <Button testId="join-room" type="submit" look="quiet" disabled={!entry.trim()}>
            Join
          </Button>
        </form>
        {problem && <Problem words={problem} />}
      </section>
    </div>
  )
}
