import { hueOf, initials } from '../lib/people'

interface AvatarProps {
  name: string
  identity: string
  className?: string
}

/** A person without a picture: initials on a colour that is always the same for them. */
export function Avatar({ name, identity, className = '' }: AvatarProps) {
  const hue = hueOf(identity)
  return (
    <svg viewBox="0 0 100 100" aria-hidden="true" className={`select-none ${className}`}>
      <circle cx="50" cy="50" r="50" style={{ fill: `oklch(0.44 0.085 ${hue})` }} />
      <text x="50" y="51" textAnchor="middle" dominantBaseline="central" fontSize="40" fontWeight="600" style={{ fill: `oklch(0.95 0.03 ${hue})` }}>
        {initials(name)}
      </text>
    </svg>
  )
}
