import type { ReactNode } from 'react'
import type { Words } from '../lib/errors'
import { Icon } from './icons'

interface ProblemProps {
  words: Words
  /** What to do about it: a button or a link. */
  children?: ReactNode
  className?: string
}

/** Something that went wrong, in words; screen readers say it at once. */
export function Problem({ words, children, className = '' }: ProblemProps) {
  return (
    <div
      role="alert"
      data-testid="error-message"
      className={`flex animate-rise gap-3 rounded-2xl border border-stop/40 bg-[#2a1719] p-4 text-left text-sm ${className}`}
    >
      <Icon name="alert" className="mt-0.5 size-5 text-stop-bright" />
      <div className="min-w-0 flex-1">
        <p className="font-semibold text-paper">{words.title}</p>
        {words.text && <p className="mt-0.5 leading-relaxed text-ink-100/85">{words.text}</p>}
        {children && <div className="mt-3 flex flex-wrap gap-2">{children}</div>}
      </div>
    </div>
  )
}

interface BannerProps {
  /** Stable, for tests: what the banner is about. */
  kind: string
  busy?: boolean
  children: ReactNode
}

/** A line across the top that stays as long as its cause. */
export function Banner({ kind, busy = false, children }: BannerProps) {
  return (
    <div
      role="status"
      data-testid="banner"
      data-kind={kind}
      className="flex min-h-11 animate-rise flex-wrap items-center justify-center gap-x-3 gap-y-1 rounded-2xl border border-lamp/30 bg-lamp-dim px-4 py-2 text-center text-sm font-medium text-lamp-bright"
    >
      {busy && <Icon name="spinner" className="size-4" />}
      {children}
    </div>
  )
}
