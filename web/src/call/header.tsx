import { useEffect, useState } from 'react'
import type { RoomInfo } from '../api'
import { roomLink } from '../lib/code'
import { copyText } from '../lib/copy'
import { countPeople } from '../lib/people'
import { Icon } from '../ui/icons'
import { LogoMark } from '../ui/logo'

export function Header({ info, count }: { info: RoomInfo; count: number }) {
  return (
    <header className="flex h-14 shrink-0 items-center gap-3 px-3 sm:px-4">
      <LogoMark className="h-5 sm:h-6" />
      <h1 className={info.name ? 'min-w-0 truncate font-semibold text-paper max-sm:sr-only' : 'sr-only'}>
        {info.name || `Room ${info.code}`}
      </h1>
      <span className="font-mono text-sm whitespace-nowrap text-ink-300" data-testid="room-code">
        {info.code}
      </span>
      <CopyLink code={info.code} testId="copy-link" />
      <span
        data-testid="people-count"
        data-count={count}
        aria-label={`${countPeople(count)} in the room`}
        className="ml-auto flex items-center gap-1.5 text-sm text-ink-300 tabular-nums"
      >
        <Icon name="people" className="size-5" />
        {count}
      </span>
    </header>
  )
}

interface CopyLinkProps {
  code: string
  testId: string
  /** A full button for the card that invites, a small one for the header. */
  full?: boolean
}

export function CopyLink({ code, testId, full = false }: CopyLinkProps) {
  const [copied, setCopied] = useState<boolean | null>(null)
  useEffect(() => {
    if (copied === null) return
    const timer = setTimeout(() => setCopied(null), 2500)
    return () => clearTimeout(timer)
  }, [copied])
  const said = copied === null ? 'Copy link' : copied ? 'Copied' : 'Copying failed'
  const look = full
    ? 'h-11 bg-lamp px-5 text-base font-semibold text-ink-950 hover:bg-lamp-bright'
    : 'h-9 bg-ink-800 px-3 text-sm font-medium text-paper hover:bg-ink-700'
  return (
    <button
      type="button"
      data-testid={testId}
      onClick={async () => setCopied(await copyText(roomLink(code, location.origin)))}
      className={`inline-flex shrink-0 items-center gap-2 rounded-xl transition-colors ${look}`}
    >
      <Icon name={copied ? 'check' : 'link'} className="size-4.5" />
      <span role="status" className={full ? '' : 'max-xs:sr-only'}>
        {said}
      </span>
    </button>
  )
}
