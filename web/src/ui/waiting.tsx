import { LogoMark } from './logo'

/** A whole page that waits for something short. */
export function Waiting({ text = '' }: { text?: string }) {
  return (
    <div role="status" className="glow flex h-full flex-col items-center justify-center gap-5 text-ink-300">
      <LogoMark className="h-14 animate-pulse" />
      {text || <span className="sr-only">Loading</span>}
    </div>
  )
}
