// A fanlight: the half-round window over a door.

import { fanPanes } from '../lib/fan'

const mark = fanPanes({ x: 26, y: 26, inner: 12.2, outer: 25, panes: 5, bar: 3.2 })
const light = [0.55, 0.78, 1, 0.78, 0.55]

export function LogoMark({ className = 'h-7' }: { className?: string }) {
  return (
    <svg viewBox="0 0 52 27" className={`${className} w-auto shrink-0`} aria-hidden="true">
      {mark.map((pane, index) => (
        <path key={pane} d={pane} className="fill-lamp" opacity={light[index]} />
      ))}
      <path d="M17 26a9 9 0 0 1 18 0Z" className="fill-paper" />
    </svg>
  )
}

export function Logo() {
  return (
    <span className="inline-flex items-center gap-3 text-xl font-bold tracking-tight text-paper">
      <LogoMark />
      Fanlight
    </span>
  )
}

const near = fanPanes({ x: 220, y: 218, inner: 62, outer: 122, panes: 5, bar: 7 })
const far = fanPanes({ x: 220, y: 218, inner: 129, outer: 216, panes: 9, bar: 7 })

/** The large window, for the top of the home page's card. */
export function Fanlight({ className = '' }: { className?: string }) {
  return (
    <svg viewBox="0 0 440 222" className={className} aria-hidden="true">
      <defs>
        <radialGradient id="fanlight-glass" gradientUnits="userSpaceOnUse" cx="220" cy="218" r="216">
          <stop offset="0.25" stopColor="#ffd48a" />
          <stop offset="0.6" stopColor="#e79f3c" />
          <stop offset="1" stopColor="#6d4a22" />
        </radialGradient>
      </defs>
      <path d="M0 222V220A220 220 0 0 1 440 220V222Z" className="fill-ink-800" />
      <g fill="url(#fanlight-glass)">
        {near.map((pane, index) => (
          <path key={pane} d={pane} opacity={0.72 + 0.28 * lit(index, near.length)} />
        ))}
        {far.map((pane, index) => (
          <path key={pane} d={pane} opacity={0.4 + 0.6 * lit(index, far.length)} />
        ))}
      </g>
      <path d="M165 218a55 55 0 0 1 110 0Z" fill="#fff0d2" />
    </svg>
  )
}

/** Brightest in the middle, 0 at the sides. */
function lit(index: number, count: number): number {
  return Math.sin(((index + 0.5) / count) * Math.PI) ** 1.5
}
