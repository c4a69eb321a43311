// From the people in a room to the tiles on the screen.

import { Track, type AudioTrack, type Participant, type TrackPublication, type VideoTrack } from 'livekit-client'

export type TileSource = 'camera' | 'screen_share'

/** off: nothing is sent; loading: it is sent but not here yet; paused: the server holds it back. */
export type VideoState = 'off' | 'loading' | 'paused' | 'on'

export interface Tile {
  /** Unique and stable: identity and source. */
  key: string
  identity: string
  name: string
  local: boolean
  source: TileSource
  video: VideoTrack | undefined
  videoState: VideoState
  /** The microphone, or the sound of a shared screen, is off. */
  muted: boolean
  speaking: boolean
  quality: string
}

export interface Sound {
  key: string
  track: AudioTrack
}

export interface People {
  tiles: Tile[]
  /** What is to be heard: everybody's sound but one's own. */
  sounds: Sound[]
}

/**
 * Lists the tiles, oneself first and the others in the order they came. Tiles
 * that did not change keep their object from `before`, so that only what
 * changed is drawn again.
 */
export function peopleOf(local: Participant, remotes: Iterable<Participant>, before?: People): People {
  const others = [...remotes].toSorted(byArrival)
  const known = new Map(before?.tiles.map((tile) => [tile.key, tile]))
  const tiles: Tile[] = []
  const sounds: Sound[] = []
  for (const person of [local, ...others]) {
    tiles.push(keep(known, tileOf(person, 'camera')))
    if (person.getTrackPublication(Track.Source.ScreenShare)) {
      tiles.push(keep(known, tileOf(person, 'screen_share')))
    }
    if (!person.isLocal) sounds.push(...soundsOf(person))
  }
  return { tiles, sounds }
}

/** The shared screen that gets the stage: somebody else's before one's own, the latest last. */
export function screenOnStage(tiles: Tile[]): Tile | undefined {
  const screens = tiles.filter((tile) => tile.source === 'screen_share')
  return screens.findLast((tile) => !tile.local) ?? screens.at(-1)
}

function tileOf(person: Participant, source: TileSource): Tile {
  const screen = source === 'screen_share'
  const picture = person.getTrackPublication(screen ? Track.Source.ScreenShare : Track.Source.Camera)
  const sound = person.getTrackPublication(screen ? Track.Source.ScreenShareAudio : Track.Source.Microphone)
  return {
    key: `${person.identity}/${source}`,
    identity: person.identity,
    name: person.name || person.identity,
    local: person.isLocal,
    source,
    video: picture?.isMuted ? undefined : picture?.videoTrack,
    videoState: videoStateOf(picture),
    muted: !sound || sound.isMuted,
    speaking: !screen && person.isSpeaking,
    quality: person.connectionQuality,
  }
}

function videoStateOf(publication: TrackPublication | undefined): VideoState {
  if (!publication || publication.isMuted) return 'off'
  if (!publication.videoTrack) return 'loading'
  return publication.videoTrack.streamState === Track.StreamState.Paused ? 'paused' : 'on'
}

function soundsOf(person: Participant): Sound[] {
  const sounds: Sound[] = []
  for (const publication of person.audioTrackPublications.values()) {
    if (publication.audioTrack) sounds.push({ key: publication.trackSid, track: publication.audioTrack })
  }
  return sounds
}

function keep(known: Map<string, Tile>, tile: Tile): Tile {
  const before = known.get(tile.key)
  if (!before) return tile
  const same = (Object.keys(tile) as (keyof Tile)[]).every((key) => tile[key] === before[key])
  return same ? before : tile
}

function byArrival(a: Participant, b: Participant): number {
  const difference = (a.joinedAt?.getTime() ?? 0) - (b.joinedAt?.getTime() ?? 0)
  return difference || (a.identity < b.identity ? -1 : 1)
}
