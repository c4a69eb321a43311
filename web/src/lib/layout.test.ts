import { describe, expect, it } from 'vitest'
import { gridLayout, stripBeside } from './layout'

const desktop = { width: 1280, height: 720, gap: 12, minWidth: 140 }
const phone = { width: 390, height: 700, gap: 8, minWidth: 140 }

describe('gridLayout', () => {
  it('gives one person the whole room', () => {
    expect(gridLayout({ count: 1, ...desktop })).toMatchObject({
      columns: 1,
      rows: 1,
      tileWidth: 1280,
      tileHeight: 720,
    })
  })

  it('puts two side by side on a desktop and one above the other on a phone', () => {
    expect(gridLayout({ count: 2, ...desktop })).toMatchObject({ columns: 2, rows: 1 })
    expect(gridLayout({ count: 2, ...phone })).toMatchObject({ columns: 1, rows: 2 })
  })

  it('puts three in two rows on a desktop, whole pictures before narrow ones', () => {
    const grid = gridLayout({ count: 3, ...desktop })
    expect(grid).toMatchObject({ columns: 2, rows: 2 })
    expect(grid.tileWidth / grid.tileHeight).toBeGreaterThan(1.7)
  })

  it('makes a square of four, also on a phone', () => {
    expect(gridLayout({ count: 4, ...desktop })).toMatchObject({ columns: 2, rows: 2 })
    expect(gridLayout({ count: 4, ...phone })).toMatchObject({ columns: 2, rows: 2 })
  })

  it('makes a square of nine', () => {
    expect(gridLayout({ count: 9, ...desktop })).toMatchObject({ columns: 3, rows: 3 })
  })

  it.each([1, 2, 3, 5, 7, 12, 25, 60])('keeps %i tiles inside the area or scrolls', (count) => {
    for (const area of [desktop, phone, { ...desktop, width: 2560, height: 400 }]) {
      const grid = gridLayout({ count, ...area })
      expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count)
      expect(grid.columns * (grid.rows - 1)).toBeLessThan(count)
      const width = grid.columns * grid.tileWidth + (grid.columns - 1) * area.gap
      const height = grid.rows * grid.tileHeight + (grid.rows - 1) * area.gap
      expect(width).toBeLessThanOrEqual(area.width)
      if (!grid.scrolls) expect(height).toBeLessThanOrEqual(area.height)
    }
  })

  it('keeps the shape of the tiles within bounds', () => {
    for (const width of [200, 500, 1000, 3000]) {
      const { tileWidth, tileHeight } = gridLayout({ count: 3, width, height: 600, gap: 8, minWidth: 60 })
      expect(tileWidth / tileHeight).toBeLessThan(16 / 9 + 0.02)
      expect(tileWidth / tileHeight).toBeGreaterThan(width > 600 ? 0.98 : 0.58)
    }
  })

  it('scrolls when the tiles would become too small', () => {
    const grid = gridLayout({ count: 40, ...phone })
    expect(grid.scrolls).toBe(true)
    expect(grid.tileWidth).toBeGreaterThanOrEqual(140)
  })

  it('copes with no space and with nobody', () => {
    expect(gridLayout({ count: 3, width: 0, height: 0, gap: 8, minWidth: 140 }).tileWidth).toBe(0)
    expect(gridLayout({ count: 0, ...desktop }).columns).toBe(1)
  })
})

describe('stripBeside', () => {
  it('is beside on a desktop, below on a phone', () => {
    expect(stripBeside(1280, 720)).toBe(true)
    expect(stripBeside(390, 700)).toBe(false)
    expect(stripBeside(600, 300)).toBe(false)
  })
})
