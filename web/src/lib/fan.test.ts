import { expect, it } from 'vitest'
import { fanPanes } from './fan'

const ring = { x: 100, y: 100, inner: 40, outer: 100, panes: 5, bar: 4 }

it('draws every pane inside the half circle', () => {
  const paths = fanPanes(ring)
  expect(paths).toHaveLength(5)
  for (const path of paths) {
    const numbers = [...path.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)].map(([, px, py]) => [Number(px), Number(py)])
    expect(numbers.length).toBe(3)
    for (const [px, py] of numbers as [number, number][]) {
      const radius = Math.hypot(px - 100, py - 100)
      expect(radius).toBeGreaterThan(39.9)
      expect(radius).toBeLessThan(100.1)
      expect(py).toBeLessThanOrEqual(100)
    }
  }
})

it('starts at the left end of the base and ends at the right', () => {
  const paths = fanPanes(ring)
  expect(paths[0]).toMatch(/^M60\.00 100\.00L0\.00 100\.00/)
  expect(paths[4]).toContain('200.00 100.00')
})
