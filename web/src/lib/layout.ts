// Where the tiles of a room go.

/** No tile is wider than a camera's picture. How narrow it may be depends on the window. */
const widest = 16 / 9
const narrowestInWide = 1
const narrowestInUpright = 3 / 5

/** Narrow tiles cut off the sides of a camera's picture, so they count for a little less. */
const narrow = 4 / 3
const narrowWorth = 0.95

export interface Grid {
  columns: number
  rows: number
  /** Size of every tile, in whole CSS pixels. */
  tileWidth: number
  tileHeight: number
  /** True when not all rows fit and the grid has to scroll. */
  scrolls: boolean
}

export interface GridArea {
  /** Number of tiles. */
  count: number
  /** The space for them and the gap between two, in CSS pixels. */
  width: number
  height: number
  gap: number
  /** Below this width a tile is no longer useful and the grid scrolls instead. */
  minWidth: number
}

/** Chooses the number of columns that makes the tiles largest. */
export function gridLayout({ count, width, height, gap, minWidth }: GridArea): Grid {
  const narrowest = width > height ? narrowestInWide : narrowestInUpright
  let best: Grid = { columns: 1, rows: 1, tileWidth: 0, tileHeight: 0, scrolls: false }
  let bestWorth = 0
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns)
    // One column fewer with the same number of rows has larger cells.
    if (columns > 1 && Math.ceil(count / (columns - 1)) === rows) continue
    const cellWidth = (width - gap * (columns - 1)) / columns
    const cellHeight = (height - gap * (rows - 1)) / rows
    if (cellWidth <= 0 || cellHeight <= 0) continue
    const tileWidth = Math.floor(Math.min(cellWidth, cellHeight * widest))
    const tileHeight = Math.floor(Math.min(cellHeight, cellWidth / narrowest))
    const worth = tileWidth * tileHeight * (width > height && tileWidth < tileHeight * narrow ? narrowWorth : 1)
    if (worth > bestWorth) {
      best = { columns, rows, tileWidth, tileHeight, scrolls: false }
      bestWorth = worth
    }
  }
  if (count === 0 || best.tileWidth >= Math.min(minWidth, width)) return best
  return scrollingGrid({ count, width, height, gap, minWidth })
}

function scrollingGrid({ count, width, gap, minWidth }: GridArea): Grid {
  const columns = Math.max(1, Math.floor((width + gap) / (minWidth + gap)))
  const tileWidth = Math.floor((width - gap * (columns - 1)) / columns)
  return {
    columns,
    rows: Math.ceil(count / columns),
    tileWidth,
    tileHeight: Math.floor((tileWidth * 3) / 4),
    scrolls: true,
  }
}

/** Whether the strip of small tiles goes beside the stage (true) or below it. */
export function stripBeside(width: number, height: number): boolean {
  return width >= 640 && width > height * 1.15
}
