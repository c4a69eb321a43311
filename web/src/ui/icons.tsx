// Icons, drawn here so that nothing is loaded: 24 by 24, strokes of 1.8.

import type { ReactNode, SVGProps } from 'react'

const shapes = {
  mic: (
    <>
      <rect x="9" y="3" width="6" height="11" rx="3" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
    </>
  ),
  micOff: (
    <>
      <path d="M15 10.5V6a3 3 0 0 0-5.8-1.1M9 9v2a3 3 0 0 0 4.6 2.5M5.5 11.5a6.5 6.5 0 0 0 10.6 5M18.5 11.5a6.5 6.5 0 0 1-.5 2.5M12 18v3" />
      <path d="m4 3.5 16 17" />
    </>
  ),
  camera: (
    <>
      <rect x="2.8" y="6" width="12.4" height="12" rx="3" />
      <path d="m15.2 10.6 4.6-2.7a.9.9 0 0 1 1.4.8v6.6a.9.9 0 0 1-1.4.8l-4.6-2.7" />
    </>
  ),
  cameraOff: (
    <>
      <path d="M10 6h2.2a3 3 0 0 1 3 3v1.6l4.6-2.7a.9.9 0 0 1 1.4.8v6.6c0 .4-.2.7-.5.8M15.2 15v0a3 3 0 0 1-3 3H5.8a3 3 0 0 1-3-3V9a3 3 0 0 1 2.4-2.9" />
      <path d="m4 3.5 16 17" />
    </>
  ),
  screen: (
    <>
      <rect x="2.8" y="4" width="18.4" height="13" rx="2.5" />
      <path d="M8.5 20.5h7M12 13.5v-6M9.3 10 12 7.3 14.7 10" />
    </>
  ),
  screenOff: (
    <>
      <rect x="2.8" y="4" width="18.4" height="13" rx="2.5" />
      <path d="M8.5 20.5h7M9.7 8.2l4.6 4.6M14.3 8.2l-4.6 4.6" />
    </>
  ),
  chat: (
    <>
      <path d="M4.8 5.2h14.4a2 2 0 0 1 2 2v8.6a2 2 0 0 1-2 2H11l-4.6 3.4v-3.4H4.8a2 2 0 0 1-2-2V7.2a2 2 0 0 1 2-2Z" />
      <path d="M7.5 9.8h9M7.5 13.2h5.5" />
    </>
  ),
  settings: (
    <>
      <path d="M4 7h9M18 7h2M4 17h2M11 17h9" />
      <circle cx="15.5" cy="7" r="2.5" />
      <circle cx="8.5" cy="17" r="2.5" />
    </>
  ),
  leave: (
    <path d="M12 9.2c-3 0-5.6.6-7.7 1.9-1.4.9-2 2.3-1.8 3.9l.2 1.1c.2.8.9 1.2 1.7 1.1l3-.6c.7-.1 1.2-.7 1.2-1.4v-1.7a11 11 0 0 1 6.8 0v1.7c0 .7.5 1.3 1.2 1.4l3 .6c.8.1 1.5-.3 1.7-1.1l.2-1.1c.2-1.6-.4-3-1.8-3.9-2.1-1.3-4.7-1.9-7.7-1.9Z" fill="currentColor" stroke="none" />
  ),
  link: (
    <path d="M10 13.5a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1.5 1.5M14 10.5a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1.5-1.5" />
  ),
  check: <path d="m5 12.5 4.5 4.5L19 7.5" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  send: <path d="M4.5 12 3.2 5.2c-.1-.7.6-1.2 1.2-.9l16 7c.7.3.7 1.2 0 1.5l-16 7c-.6.3-1.3-.2-1.2-.9L4.5 12Zm0 0H12" />,
  people: (
    <>
      <circle cx="9" cy="8" r="3.5" />
      <path d="M2.8 19.5a6.2 6.2 0 0 1 12.4 0M15.5 4.9a3.5 3.5 0 0 1 0 6.2M17.5 14.2a6.2 6.2 0 0 1 3.7 5.3" />
    </>
  ),
  pin: <path d="M9 3.5h6l-.8 6 3.3 3.5v1.5h-11V13l3.3-3.5-.8-6ZM12 14.5v6" />,
  expand: <path d="M14 4.5h5.5V10M10 19.5H4.5V14M19.5 4.5 13.5 10.5M4.5 19.5l6-6" />,
  shrink: <path d="M19.5 9.5H14V4M4.5 14.5H10V20M14 9.5 20 3.5M10 14.5l-6 6" />,
  alert: (
    <>
      <path d="M10.3 4.3 2.9 17a2 2 0 0 0 1.7 3h14.8a2 2 0 0 0 1.7-3L13.7 4.3a2 2 0 0 0-3.4 0Z" />
      <path d="M12 9.5v4M12 16.5v.1" />
    </>
  ),
  speaker: (
    <>
      <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4Z" />
      <path d="M15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />
    </>
  ),
  plus: <path d="M12 5v14M5 12h14" />,
  arrow: <path d="M5 12h14M13 6l6 6-6 6" />,
  down: <path d="m6 9.5 6 6 6-6" />,
  home: <path d="m3.5 11 8.5-7 8.5 7M6 9.5V19a1 1 0 0 0 1 1h3.5v-5.5h3V20H17a1 1 0 0 0 1-1V9.5" />,
  spinner: <path d="M12 3.5a8.5 8.5 0 1 1-8.5 8.5" />,
} satisfies Record<string, ReactNode>

export type IconName = keyof typeof shapes

interface IconProps extends SVGProps<SVGSVGElement> {
  name: IconName
}

/** Decorative by default: the control around it carries the label. */
export function Icon({ name, className = 'size-5', ...rest }: IconProps) {
  const turning = name === 'spinner' ? ' animate-spin' : ''
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={`shrink-0 ${className}${turning}`}
      {...rest}
    >
      {shapes[name]}
    </svg>
  )
}
