// How loud a microphone is, for the meter. Drawn straight to the element: no
// React rendering sixty times a second.

import { useEffect, type RefObject } from 'react'

/** Below this the meter shows nothing; above `loud` it is full (dB of full scale). */
const quiet = -60
const loud = -12

/** Sets the custom property --level (0 to 1) of the element while there is a track. */
export function useLevel(track: MediaStreamTrack | undefined, element: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    if (!track) return
    const context = new AudioContext()
    const source = context.createMediaStreamSource(new MediaStream([track]))
    const analyser = context.createAnalyser()
    analyser.fftSize = 1024
    source.connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    let shown = 0
    let frame = requestAnimationFrame(draw)

    function draw() {
      analyser.getFloatTimeDomainData(samples)
      const now = levelOf(samples)
      shown = now > shown ? now : shown * 0.9 + now * 0.1
      element.current?.style.setProperty('--level', shown.toFixed(3))
      frame = requestAnimationFrame(draw)
    }
    // A page that was opened by a link may start its audio only after a click.
    const resume = () => void context.resume()
    window.addEventListener('pointerdown', resume)

    return () => {
      window.removeEventListener('pointerdown', resume)
      cancelAnimationFrame(frame)
      void context.close()
    }
  }, [track, element])
}

/** Root mean square of samples (-1 to 1), on a scale from 0 (quiet) to 1 (loud). */
export function levelOf(samples: Float32Array): number {
  let sum = 0
  for (const sample of samples) sum += sample * sample
  const decibels = 10 * Math.log10(sum / samples.length + 1e-12)
  return Math.min(1, Math.max(0, (decibels - quiet) / (loud - quiet)))
}
