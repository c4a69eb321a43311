const words: Record<string, { text: string; bars: number; colour: string }> = {
  excellent: { text: 'excellent', bars: 3, colour: 'text-fine' },
  good: { text: 'good', bars: 2, colour: 'text-fine' },
  poor: { text: 'poor', bars: 1, colour: 'text-lamp' },
  lost: { text: 'lost', bars: 0, colour: 'text-stop-bright' },
}

interface QualityProps {
  quality: string
  /** Show it only when it is poor or lost. */
  troubleOnly?: boolean
}

/** Three bars for a person's connection; nothing while it is unknown. */
export function Quality({ quality, troubleOnly = false }: QualityProps) {
  const known = words[quality]
  if (!known || (troubleOnly && known.bars > 1)) return null
  const text = `Connection: ${known.text}`
  return (
    <span title={text} className={`shrink-0 rounded-lg bg-black/60 p-1.5 ${known.colour}`}>
      <svg viewBox="0 0 16 16" className="size-4" role="img" aria-label={text}>
        {[0, 1, 2].map((bar) => (
          <rect
            key={bar}
            x={1.5 + bar * 5}
            y={10 - bar * 4}
            width="3"
            height={4.5 + bar * 4}
            rx="1"
            fill="currentColor"
            opacity={bar < known.bars ? 1 : 0.25}
          />
        ))}
        {known.bars === 0 && <path d="m2 2 12 12" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" />}
      </svg>
    </span>
  )
}
