import { useState } from 'react'
import type { Ending } from '../session/words'
import { Button } from '../ui/button'
import { Logo, LogoMark } from '../ui/logo'

interface LeftPageProps {
  code: string
  ending: Ending
  onRejoin: () => void
  onHome: () => void
}

/** After the call: why it ended, and the ways on. */
export function LeftPage({ code, ending, onRejoin, onHome }: LeftPageProps) {
  const [busy, setBusy] = useState(false)
  const wanted = ending.cause === 'left'
  return (
    <div className="glow flex min-h-full flex-col" data-testid="left-page" data-cause={ending.cause}>
      <header className="px-5 pt-5 sm:px-8 sm:pt-7">
        <Logo />
      </header>
      <main className="flex flex-1 flex-col items-center justify-center px-5 pb-24 text-center">
        <LogoMark className={`h-16 ${wanted ? '' : 'opacity-40 grayscale'}`} />
        <div role={wanted ? 'status' : 'alert'} data-testid={wanted ? undefined : 'error-message'}>
          <h1 className="mt-7 text-3xl font-bold tracking-tight text-balance text-paper">{ending.title}</h1>
          <p className="mt-3 max-w-md leading-relaxed text-ink-300">{ending.text}</p>
        </div>
        {ending.unsent && ending.unsent.length > 0 && <Unsent lines={ending.unsent} />}
        <div className="mt-8 flex flex-wrap justify-center gap-3">
          <Button
            testId="rejoin"
            busy={busy}
            onClick={() => {
              setBusy(true)
              onRejoin()
            }}
          >
            Rejoin
          </Button>
          <Button testId="home" look="quiet" icon="home" onClick={onHome}>
            Home
          </Button>
        </div>
        <p className="mt-8 text-sm text-ink-400">
          Room <span className="font-mono text-ink-300">{code}</span>
        </p>
      </main>
    </div>
  )
}

/** What was written and not sent: to be copied from here, since it is kept nowhere else. */
function Unsent({ lines }: { lines: string[] }) {
  return (
    <section role="alert" data-testid="unsent" className="mt-6 w-full max-w-md rounded-2xl bg-ink-900 p-4 text-left text-sm">
      <h2 className="font-semibold text-paper">
        {lines.length === 1 ? 'A line you wrote was not sent' : `${lines.length} lines you wrote were not sent`}
      </h2>
      <ul className="mt-2 max-h-48 space-y-2 overflow-y-auto break-words whitespace-pre-wrap text-ink-300">
        {lines.map((line, index) => (
          // oxlint-disable-next-line react/no-array-index-key -- the list never changes
          <li key={index}>{line}</li>
        ))}
      </ul>
    </section>
  )
}
