// The tiles: a grid of all, or one large with the others in a strip.

import { useRef } from 'react'
import { gridLayout, stripBeside } from '../lib/layout'
import type { Tile as TileData } from '../session/tiles'
import { useSize, type Size } from '../ui/use-size'
import { Tile } from './tile'

interface StageProps {
  tiles: TileData[]
  /** The tile that gets the stage; without one there is a grid. */
  focus: TileData | undefined
  onFocus: (key: string | null) => void
}

export function Stage({ tiles, focus, onFocus }: StageProps) {
  const area = useRef<HTMLDivElement>(null)
  const size = useSize(area)
  return (
    <div ref={area} data-testid="stage" data-layout={focus ? 'stage' : 'grid'} className="relative min-h-0 min-w-0 flex-1">
      {size.width > 0 &&
        (focus ? (
          <Focus tiles={tiles} focus={focus} size={size} onFocus={onFocus} />
        ) : (
          <Grid tiles={tiles} size={size} onFocus={onFocus} />
        ))}
    </div>
  )
}

interface GridProps {
  tiles: TileData[]
  size: Size
  onFocus: (key: string | null) => void
}

function Grid({ tiles, size, onFocus }: GridProps) {
  const gap = size.width < 640 ? 8 : 12
  const grid = gridLayout({ count: tiles.length, ...size, gap, minWidth: 140 })
  return (
    <div
      className={`absolute inset-0 flex flex-wrap justify-center ${grid.scrolls ? 'content-start overflow-y-auto' : 'content-center'}`}
      style={{ gap }}
    >
      {tiles.map((tile) => (
        <Tile
          key={tile.key}
          tile={tile}
          width={grid.tileWidth}
          height={grid.tileHeight}
          small={grid.tileWidth < 220}
          {...(tiles.length > 1 ? { onFocus } : {})}
        />
      ))}
    </div>
  )
}

function Focus({ tiles, focus, size, onFocus }: GridProps & { focus: TileData }) {
  const others = tiles.filter((tile) => tile.key !== focus.key)
  const beside = stripBeside(size.width, size.height)
  const strip = beside
    ? { width: Math.round(Math.min(240, size.width * 0.2)), height: undefined }
    : { width: undefined, height: Math.round(Math.min(120, size.height * 0.22)) }
  const tileWidth = strip.width ?? Math.round(((strip.height ?? 0) * 4) / 3)
  const tileHeight = strip.height ?? Math.round((tileWidth * 9) / 16)
  return (
    <div className={`absolute inset-0 flex gap-2 sm:gap-3 ${beside ? '' : 'flex-col'}`}>
      <div className="min-h-0 min-w-0 flex-1">
        <Tile key={focus.key} tile={focus} large onFocus={onFocus} />
      </div>
      {others.length > 0 && (
        <div
          style={strip}
          data-testid="strip"
          className={`flex shrink-0 gap-2 ${beside ? 'flex-col overflow-y-auto' : 'overflow-x-auto'}`}
        >
          {others.map((tile) => (
            <Tile key={tile.key} tile={tile} width={tileWidth} height={tileHeight} small onFocus={onFocus} />
          ))}
        </div>
      )}
    </div>
  )
}
