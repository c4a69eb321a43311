import { memo, useEffect, useRef, useState } from 'react'
import type { Tile as TileData } from '../session/tiles'
import { Avatar } from '../ui/avatar'
import { Icon } from '../ui/icons'
import { Quality } from './quality'

interface TileProps {
  tile: TileData
  /** Pixels; without them the tile fills its place. */
  width?: number
  height?: number
  /** Small tiles show less. */
  small?: boolean
  large?: boolean
  onFocus?: (key: string | null) => void
}

/** One picture: a person's camera (or their avatar) or a shared screen. */
export const Tile = memo(function Tile({ tile, width, height, small = false, large = false, onFocus }: TileProps) {
  const { identity, name, local, source, videoState, muted, speaking, quality } = tile
  const screen = source === 'screen_share'
  const label = screen ? (local ? 'Your screen' : `${name}’s screen`) : local ? `${name} (you)` : name
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- a shortcut; the button does the same
    <article
      aria-label={label}
      data-testid="tile"
      data-identity={identity}
      data-source={source}
      data-local={local}
      data-video={videoState}
      data-muted={muted}
      data-speaking={speaking}
      data-quality={quality}
      style={width ? { width, height } : undefined}
      onDoubleClick={() => onFocus?.(large ? null : tile.key)}
      className={`group/tile relative size-full shrink-0 overflow-hidden bg-ink-850 ${small ? 'rounded-xl' : 'rounded-2xl'}`}
    >
      <Picture tile={tile} />
      {!tile.video && (
        <div className="absolute inset-0 flex flex-col items-center justify-center gap-3">
          {screen ? (
            <Icon name="screen" className="size-12 text-ink-400" />
          ) : (
            <Avatar name={name} identity={identity} className={small ? 'mb-3 w-11' : 'w-[min(30%,8rem)] min-w-14'} />
          )}
        </div>
      )}
      {(videoState === 'loading' || videoState === 'paused') && (
        <p className="absolute inset-x-0 top-3 mx-auto flex w-fit items-center gap-2 rounded-full bg-black/60 px-3 py-1 text-xs text-ink-100">
          <Icon name="spinner" className="size-3.5" />
          {small ? '' : videoState === 'loading' ? 'Waiting for the picture' : 'Picture paused: slow connection'}
        </p>
      )}
      <div className={`absolute flex items-end justify-between gap-1.5 ${small ? 'inset-x-1.5 bottom-1.5' : 'inset-x-2 bottom-2'}`}>
        <p
          className={`flex min-w-0 items-center gap-1.5 rounded-lg bg-black/60 font-medium text-paper ${small ? 'px-1.5 py-0.5 text-xs' : 'px-2 py-1 text-[0.8125rem]'}`}
        >
          {screen ? (
            <Icon name="screen" className="size-4 text-lamp" />
          ) : (
            muted && <Icon name="micOff" className="size-4 text-stop-bright" />
          )}
          <span className="truncate">{label}</span>
          {!screen && muted && <span className="sr-only">, microphone off</span>}
        </p>
        {!screen && <Quality quality={quality} troubleOnly={small} />}
      </div>
      {onFocus && (
        <button
          type="button"
          data-testid="focus-tile"
          onClick={() => onFocus(large ? null : tile.key)}
          aria-label={large ? 'Show everybody in the grid' : `Show ${label} large`}
          className={`absolute top-2 right-2 inline-flex size-9 items-center justify-center rounded-lg bg-black/60 text-paper opacity-0 transition-opacity group-hover/tile:opacity-100 hover:bg-black/80 focus-visible:opacity-100 ${large ? '[@media(hover:none)]:opacity-80' : '[@media(hover:none)]:opacity-0'}`}
        >
          <Icon name={large ? 'shrink' : 'expand'} className="size-4.5" />
        </button>
      )}
      <span
        aria-hidden="true"
        className={`pointer-events-none absolute inset-0 rounded-[inherit] border-2 transition-colors duration-200 ${speaking && !muted ? 'border-lamp' : 'border-transparent'}`}
      />
    </article>
  )
})

function Picture({ tile }: { tile: TileData }) {
  const element = useRef<HTMLVideoElement>(null)
  const [upright, setUpright] = useState(false)
  const { video, source, local } = tile
  useEffect(() => {
    const target = element.current
    if (!video || !target) return
    video.attach(target)
    return () => void video.detach(target)
  }, [video])
  if (!video) return null
  // A phone's upright picture in a wide tile would lose most of itself.
  const whole = source === 'screen_share' || upright
  return (
    <video
      ref={element}
      muted
      playsInline
      autoPlay
      onResize={(event) => setUpright(event.currentTarget.videoHeight > event.currentTarget.videoWidth)}
      className={`size-full animate-fade ${whole ? 'object-contain' : 'object-cover'} ${local && source === 'camera' ? '-scale-x-100' : ''}`}
    />
  )
}
