// The shape of a fanlight: panes between rays, with glazing bars of even width.

export interface Ring {
  /** Centre of the half circle, on its base line. */
  x: number
  y: number
  inner: number
  outer: number
  panes: number
  /** Width of the bar between two panes. */
  bar: number
}

/** SVG paths of a ring's panes, from left to right. */
export function fanPanes({ x, y, inner, outer, panes, bar }: Ring): string[] {
  const step = Math.PI / panes
  // Half a bar covers a smaller angle further out.
  const atInner = Math.asin(bar / 2 / inner)
  const atOuter = Math.asin(bar / 2 / outer)
  const point = (radius: number, angle: number) =>
    `${(x + radius * Math.cos(angle)).toFixed(2)} ${(y - radius * Math.sin(angle)).toFixed(2)}`
  return Array.from({ length: panes }, (_, index) => {
    const left = Math.PI - index * step
    const right = left - step
    const first = index === 0 ? 0 : 1
    const last = index === panes - 1 ? 0 : 1
    return (
      `M${point(inner, left - first * atInner)}L${point(outer, left - first * atOuter)}` +
      `A${outer} ${outer} 0 0 1 ${point(outer, right + last * atOuter)}` +
      `L${point(inner, right + last * atInner)}A${inner} ${inner} 0 0 0 ${point(inner, left - first * atInner)}Z`
    )
  })
}
