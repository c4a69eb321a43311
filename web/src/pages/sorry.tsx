import type { Words } from '../lib/errors'
import { navigate } from '../router'
import { Button } from '../ui/button'
import { Logo, LogoMark } from '../ui/logo'
import { useTitle } from '../ui/use-title'

interface SorryPageProps {
  words: Words
  onRetry?: () => void
}

/** A page that cannot be shown, and why. */
export function SorryPage({ words, onRetry }: SorryPageProps) {
  useTitle(words.title)
  return (
    <div className="glow flex min-h-full flex-col">
      <header className="px-5 pt-5 sm:px-8 sm:pt-7">
        <Logo />
      </header>
      <main className="flex flex-1 flex-col items-center justify-center px-5 pb-24 text-center">
        <LogoMark className="h-16 opacity-40 grayscale" />
        <div role="alert" data-testid="error-message">
          <h1 className="mt-7 text-3xl font-bold tracking-tight text-balance text-paper">{words.title}</h1>
          <p className="mt-3 max-w-md leading-relaxed text-ink-300">{words.text}</p>
        </div>
        <div className="mt-8 flex flex-wrap justify-center gap-3">
          {onRetry && <Button onClick={onRetry}>Try again</Button>}
          <Button look={onRetry ? 'quiet' : 'primary'} icon="home" onClick={() => navigate('/')}>
            Home
          </Button>
        </div>
      </main>
    </div>
  )
}
