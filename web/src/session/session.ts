// One stay in a room: the livekit-client Room, what the page shows of it, and
// what a person can do in it.

import {
  ConnectionState,
  Room,
  RoomEvent,
  Track,
  type LocalTrack,
  type Participant,
  type RoomOptions,
  type ScreenShareCaptureOptions,
} from 'livekit-client'
import { insecureWords, mediaWords, type MediaKind } from '../lib/errors'
import { mediaAvailable } from '../media/devices'
import type { Devices } from '../storage'
import { Chat } from './chat'
import { Notices } from './notices'
import { Store } from './store'
import { peopleOf, type People } from './tiles'
import { endingOf, type Ending } from './words'

export interface SessionState extends People {
  status: 'connecting' | 'connected' | 'reconnecting' | 'ended'
  /** Number of people in the room, oneself included. */
  count: number
  microphone: boolean
  camera: boolean
  screen: boolean
  /** Switches that were asked for and are not done yet. */
  pending: Partial<Record<Switch, boolean>>
  /** The browser plays no sound before the person has clicked something. */
  soundBlocked: boolean
}

export type Switch = 'microphone' | 'camera' | 'screen'

export interface SessionOptions {
  devices: Devices
  singleConnection: boolean
}

/** Everything that changes what is shown. */
const visible = [
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.TrackStreamStateChanged,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.ConnectionQualityChanged,
] as const

const screenOptions: ScreenShareCaptureOptions = {
  audio: true,
  contentHint: 'detail',
  selfBrowserSurface: 'include',
  surfaceSwitching: 'include',
  systemAudio: 'include',
}

export class Session {
  readonly room: Room
  readonly chat: Chat
  readonly notices = new Notices()
  readonly store: Store<SessionState>
  /** Resolves when the stay is over, however it ended. */
  readonly ended: Promise<Ending>
  /** What the person last wanted on, for joining again. */
  readonly wanted = { microphone: false, camera: false }
  readonly #blocked = new Set<string>()
  /** Identities whose coming is no news. */
  readonly #present = new Set<string>()
  #drawing = false

  constructor(options: SessionOptions) {
    this.room = new Room(roomOptions(options))
    this.chat = new Chat(this.room)
    this.store = new Store<SessionState>({
      status: 'connecting',
      tiles: [],
      sounds: [],
      count: 1,
      microphone: false,
      camera: false,
      screen: false,
      pending: {},
      soundBlocked: false,
    })
    for (const event of visible) this.room.on(event, this.#changed)
    this.room.on(RoomEvent.ParticipantConnected, (person) => this.#came(person))
    this.room.on(RoomEvent.ParticipantDisconnected, (person) => this.#went(person))
    this.ended = new Promise((resolve) => {
      this.room.on(RoomEvent.Disconnected, (reason) => {
        // A failed first connection is thrown by connect() instead.
        if (this.store.value.status === 'connecting') return
        this.store.update({ status: 'ended' })
        resolve({ ...endingOf(reason), unsent: this.chat.close() })
      })
    })
  }

  /** Connects; throws what livekit-client throws when that fails. */
  async connect(url: string, token: string): Promise<void> {
    await this.room.connect(url, token)
    for (const identity of this.room.remoteParticipants.keys()) this.#present.add(identity)
    this.#draw()
  }

  /** Publishes tracks that were made for the preview. Failures become notices. */
  async publish(tracks: LocalTrack[]): Promise<void> {
    await Promise.all(
      tracks.map(async (track) => {
        const kind = track.kind === Track.Kind.Audio ? 'microphone' : 'camera'
        this.wanted[kind] = true
        await this.#do(kind, () => this.room.localParticipant.publishTrack(track))
      }),
    )
  }

  /** Turns microphone, camera or screen sharing on or off. Failures become notices. */
  async turn(what: Switch, on: boolean): Promise<void> {
    const me = this.room.localParticipant
    if (what !== 'screen') this.wanted[what] = on
    await this.#do(what, () => {
      if (what === 'microphone') return me.setMicrophoneEnabled(on)
      if (what === 'camera') return me.setCameraEnabled(on)
      return me.setScreenShareEnabled(on, screenOptions)
    })
  }

  async chooseDevice(kind: Exclude<MediaKind, 'screen'>, id: string): Promise<boolean> {
    const names = { camera: 'videoinput', microphone: 'audioinput', speaker: 'audiooutput' } as const
    try {
      return await this.room.switchActiveDevice(names[kind], id)
    } catch (error) {
      this.notices.problem(mediaWords(error, kind))
      return false
    }
  }

  /**
   * What became of playing somebody's sound. The room's own canPlaybackAudio is
   * not asked: it also looks at an AudioContext that nothing is played through,
   * and which does not start on a machine without a sound card.
   */
  readonly soundBlocked = (key: string, blocked: boolean): void => {
    if (blocked) this.#blocked.add(key)
    else this.#blocked.delete(key)
    this.#changed()
  }

  /** Must be called from a click: that is what lets the browser play sound. */
  startSound(): void {
    // Each player tells by itself whether it plays now.
    this.room.startAudio().catch(() => undefined)
  }

  async leave(): Promise<void> {
    await this.room.disconnect()
  }

  async #do(what: Switch, action: () => Promise<unknown>): Promise<void> {
    this.#wait(what, true)
    try {
      await action()
    } catch (error) {
      this.notices.problem(mediaAvailable() ? mediaWords(error, what) : insecureWords)
    } finally {
      this.#wait(what, false)
    }
  }

  #wait(what: Switch, pending: boolean): void {
    this.store.update({ pending: { ...this.store.value.pending, [what]: pending } })
    this.#changed()
  }

  /** Says who joined, but not who was found here, or found again after a lost connection. */
  #came(person: Participant): void {
    const news = this.room.state === ConnectionState.Connected && !this.#present.has(person.identity)
    this.#present.add(person.identity)
    if (news) this.notices.say(`${person.name || person.identity} joined`)
  }

  #went(person: Participant): void {
    // A lost connection first clears the room, then says that it is lost.
    queueMicrotask(() => {
      if (this.room.state !== ConnectionState.Connected || this.room.getParticipantByIdentity(person.identity)) return
      this.#present.delete(person.identity)
      this.notices.say(`${person.name || person.identity} left`)
    })
  }

  /** Events come in bursts; one drawing serves a burst. */
  readonly #changed = (): void => {
    if (this.#drawing) return
    this.#drawing = true
    queueMicrotask(() => {
      this.#drawing = false
      this.#draw()
    })
  }

  #draw(): void {
    const { room, store } = this
    if (store.value.status === 'ended') return
    const me = room.localParticipant
    store.update({
      ...peopleOf(me, room.remoteParticipants.values(), store.value),
      status: statusOf(room.state, store.value.status),
      count: room.remoteParticipants.size + 1,
      microphone: me.isMicrophoneEnabled,
      camera: me.isCameraEnabled,
      screen: me.isScreenShareEnabled,
      soundBlocked: this.#blocked.size > 0,
    })
  }
}

function roomOptions({ devices, singleConnection }: SessionOptions): RoomOptions {
  return {
    adaptiveStream: true,
    dynacast: true,
    singlePeerConnection: singleConnection,
    publishDefaults: { simulcast: true },
    ...(devices.camera ? { videoCaptureDefaults: { deviceId: { ideal: devices.camera } } } : {}),
    ...(devices.microphone ? { audioCaptureDefaults: { deviceId: { ideal: devices.microphone } } } : {}),
    ...(devices.speaker ? { audioOutput: { deviceId: devices.speaker } } : {}),
  }
}

function statusOf(state: ConnectionState, before: SessionState['status']): SessionState['status'] {
  switch (state) {
    case ConnectionState.Connected:
      return 'connected'
    case ConnectionState.Reconnecting:
    case ConnectionState.SignalReconnecting:
      return 'reconnecting'
    default:
      return before
  }
}
