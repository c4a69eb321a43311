import type { ButtonHTMLAttributes, ReactNode } from 'react'
import { Icon, type IconName } from './icons'

type Look = 'primary' | 'quiet' | 'danger' | 'bare'

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look
  icon?: IconName
  /** Shows that work is under way; the button does nothing meanwhile. */
  busy?: boolean
  testId?: string
  children: ReactNode
}

const looks: Record<Look, string> = {
  primary: 'bg-lamp text-ink-950 hover:bg-lamp-bright',
  quiet: 'bg-ink-800 text-paper hover:bg-ink-700',
  danger: 'bg-stop text-white hover:bg-stop-bright',
  bare: 'text-ink-300 hover:bg-ink-800 hover:text-paper',
}

export function Button({ look = 'primary', icon, busy = false, testId, className = '', children, ...rest }: ButtonProps) {
  const shown = busy ? 'spinner' : icon
  return (
    <button
      type="button"
      data-testid={testId}
      aria-busy={busy || undefined}
      {...rest}
      disabled={rest.disabled || busy}
      className={`inline-flex h-12 items-center justify-center gap-2 rounded-xl px-5 text-base font-semibold whitespace-nowrap transition-colors disabled:opacity-60 ${looks[look]} ${className}`}
    >
      {shown && <Icon name={shown} />}
      {children}
    </button>
  )
}

interface RoundButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: IconName
  /** Said by screen readers and shown as a tooltip. */
  label: string
  look?: 'normal' | 'off' | 'lit' | 'leave'
  busy?: boolean
  testId?: string
  /** A number in the corner; 0 shows nothing. */
  badge?: number
}

const roundLooks = {
  normal: 'bg-ink-800 text-paper hover:bg-ink-700',
  off: 'bg-stop/20 text-stop-bright hover:bg-stop/30',
  lit: 'bg-lamp text-ink-950 hover:bg-lamp-bright',
  leave: 'bg-stop text-white hover:bg-stop-bright w-16 sm:w-20',
}

export function RoundButton({ icon, label, look = 'normal', busy = false, testId, badge = 0, className = '', ...rest }: RoundButtonProps) {
  return (
    <button
      type="button"
      data-testid={testId}
      aria-label={badge > 0 ? `${label}, ${badge} unread` : label}
      aria-busy={busy || undefined}
      {...rest}
      disabled={rest.disabled || busy}
      className={`group relative inline-flex h-12 w-12 min-w-9 items-center justify-center rounded-2xl transition-colors disabled:opacity-70 sm:h-13 sm:w-13 ${roundLooks[look]} ${className}`}
    >
      <Icon name={busy ? 'spinner' : icon} className="size-6" />
      {badge > 0 && (
        <span className="absolute -top-1.5 -right-1.5 min-w-5 rounded-full bg-lamp px-1.5 text-xs leading-5 font-bold text-ink-950 ring-2 ring-ink-950">
          {badge > 99 ? '99+' : badge}
        </span>
      )}
      <span
        aria-hidden="true"
        className="pointer-events-none absolute bottom-full z-30 mb-2.5 hidden rounded-lg bg-ink-700 px-2.5 py-1 text-xs font-medium whitespace-nowrap text-paper shadow-lg group-hover:block group-focus-visible:block [@media(hover:none)]:hidden!"
      >
        {label}
      </span>
    </button>
  )
}
