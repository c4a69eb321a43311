import type { Participant } from 'livekit-client'
import { describe, expect, it } from 'vitest'
import { peopleOf, screenOnStage } from './tiles'

interface Published {
  source: string
  isMuted?: boolean
  videoTrack?: object
  audioTrack?: object
}

function person(identity: string, joined: number, list: Published[] = [], isLocal = false) {
  const published = list.map((each) => ({ isMuted: false, ...each }))
  const find = (source: string) => published.find((each) => each.source === source)
  return {
    identity,
    name: identity.toUpperCase(),
    isLocal,
    isSpeaking: false,
    connectionQuality: 'good',
    joinedAt: new Date(joined * 1000),
    getTrackPublication: find,
    audioTrackPublications: new Map(
      published.filter((p) => p.audioTrack).map((p) => [p.source, { ...p, trackSid: `TR_${identity}_${p.source}` }]),
    ),
  } as unknown as Participant
}

const me = (...published: Published[]) => person('me', 50, published, true)
const camera = { source: 'camera', videoTrack: {} }
const microphone = { source: 'microphone', audioTrack: {} }

describe('peopleOf', () => {
  it('puts oneself first and the others in order of arrival', () => {
    const { tiles } = peopleOf(me(), [person('late', 30), person('early', 10)])
    expect(tiles.map((tile) => tile.identity)).toEqual(['me', 'early', 'late'])
  })

  it('tells what is seen and heard', () => {
    const { tiles, sounds } = peopleOf(me(camera, microphone), [
      person('a', 1, [camera, { ...microphone, isMuted: true }]),
      person('b', 2, [{ ...camera, isMuted: true }, microphone]),
      person('c', 3, [{ source: 'camera' }]),
      person('d', 4, [{ source: 'camera', videoTrack: { streamState: 'paused' } }]),
    ])
    expect(tiles.map((tile) => tile.videoState)).toEqual(['on', 'on', 'off', 'loading', 'paused'])
    expect(tiles.map((tile) => tile.muted)).toEqual([false, true, false, true, true])
    expect(sounds.map((sound) => sound.key)).toEqual(['TR_a_microphone', 'TR_b_microphone'])
  })

  it('gives a shared screen a tile of its own', () => {
    const { tiles } = peopleOf(me(), [person('a', 1, [{ source: 'screen_share', videoTrack: {} }])])
    expect(tiles.map((tile) => tile.key)).toEqual(['me/camera', 'a/camera', 'a/screen_share'])
  })

  it('keeps the objects of tiles that did not change', () => {
    const people = [person('a', 1, [camera]), person('b', 2)]
    const before = peopleOf(me(), people)
    ;(people[1] as { isSpeaking: boolean }).isSpeaking = true
    const after = peopleOf(me(), people, before)
    expect(after.tiles[1]).toBe(before.tiles[1])
    expect(after.tiles[2]).not.toBe(before.tiles[2])
    expect(after.tiles[2]?.speaking).toBe(true)
  })
})

describe('screenOnStage', () => {
  const screen = { source: 'screen_share', videoTrack: {} }

  it("prefers somebody else's screen, the last to arrive", () => {
    const { tiles } = peopleOf(me(screen), [person('a', 1, [screen]), person('b', 2, [screen])])
    expect(screenOnStage(tiles)?.identity).toBe('b')
  })

  it('falls back to the own screen, or to none', () => {
    expect(screenOnStage(peopleOf(me(screen), []).tiles)?.identity).toBe('me')
    expect(screenOnStage(peopleOf(me(), [person('a', 1)]).tiles)).toBeUndefined()
  })
})
