import { useLayoutEffect, useState, type RefObject } from 'react'

export interface Size {
  width: number
  height: number
}

/** The size of an element's content box in whole CSS pixels, kept up to date. */
export function useSize(element: RefObject<HTMLElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 })
  useLayoutEffect(() => {
    const target = element.current
    if (!target) return
    const measure = ({ width, height }: Size) => {
      const next = { width: Math.floor(width), height: Math.floor(height) }
      setSize((before) => (before.width === next.width && before.height === next.height ? before : next))
    }
    const observer = new ResizeObserver(([entry]) => {
      if (entry) measure(entry.contentRect)
    })
    observer.observe(target)
    return () => observer.disconnect()
  }, [element])
  return size
}
