// Camera and microphone before joining: what is shown in the preview and, when
// the person joins, goes into the room without asking the browser again.

import { createLocalAudioTrack, createLocalTracks, createLocalVideoTrack, type LocalTrack } from 'livekit-client'
import { mediaWords, type Words } from '../lib/errors'
import { Store } from '../session/store'
import type { Devices } from '../storage'

export type Input = 'camera' | 'microphone'

export interface InputState {
  wanted: boolean
  busy: boolean
  track?: LocalTrack | undefined
  problem?: Words | undefined
}

export type PreviewState = Record<Input, InputState>

export class Preview {
  readonly store: Store<PreviewState>
  readonly #devices: Devices
  /** Device work is done one after the other: browsers and drivers dislike overlap. */
  #work: Promise<void> = Promise.resolve()
  #released = false
  #taken: LocalTrack[] = []

  constructor(wanted: Record<Input, boolean>, devices: Devices) {
    this.#devices = { ...devices }
    this.store = new Store<PreviewState>({
      camera: { wanted: wanted.camera, busy: wanted.camera },
      microphone: { wanted: wanted.microphone, busy: wanted.microphone },
    })
  }

  /** Asks for what is wanted, with one question if both are. */
  start(): void {
    this.#queue(async () => {
      const { camera, microphone } = this.store.value
      if (camera.wanted && microphone.wanted && (await this.#openBoth())) return
      if (camera.wanted) await this.#open('camera')
      if (microphone.wanted) await this.#open('microphone')
    })
  }

  turn(input: Input, on: boolean): void {
    this.#set(input, { wanted: on, busy: on, problem: undefined })
    this.#queue(async () => {
      if (this.store.value[input].wanted !== on) return
      if (!on) this.#close(input)
      else if (!this.store.value[input].track) await this.#open(input)
      else this.#set(input, { busy: false })
    })
  }

  chooseDevice(input: Input, id: string): void {
    this.#devices[input] = id
    this.#queue(async () => {
      if (!this.store.value[input].wanted) return
      this.#close(input)
      await this.#open(input)
    })
  }

  /** Hands the running tracks over to a room: they are no longer stopped here. */
  take(): LocalTrack[] {
    this.#taken = this.#tracks()
    return this.#taken
  }

  /** The room did not take them after all. */
  giveBack(): void {
    this.#taken = []
    if (this.#released) this.release()
  }

  /** Ends the preview and stops what was not handed over. */
  release(): void {
    this.#released = true
    for (const track of this.#tracks()) if (!this.#taken.includes(track)) track.stop()
  }

  #tracks(): LocalTrack[] {
    const { camera, microphone } = this.store.value
    return [microphone.track, camera.track].filter((track) => track !== undefined)
  }

  #queue(job: () => Promise<void>): void {
    this.#work = this.#work.then(() => (this.#released ? undefined : job()))
  }

  async #openBoth(): Promise<boolean> {
    try {
      const tracks = await createLocalTracks({ video: this.#video(), audio: this.#audio() })
      for (const track of tracks) this.#opened(track.source === 'camera' ? 'camera' : 'microphone', track)
      return true
    } catch {
      // One of the two is missing or refused: ask for each, to learn which.
      return false
    }
  }

  async #open(input: Input): Promise<void> {
    this.#set(input, { busy: true })
    try {
      const make = input === 'camera' ? createLocalVideoTrack(this.#video()) : createLocalAudioTrack(this.#audio())
      this.#opened(input, await make)
    } catch (error) {
      this.#set(input, { busy: false, wanted: false, problem: mediaWords(error, input) ?? undefined })
    }
  }

  #opened(input: Input, track: LocalTrack): void {
    if (this.#released || !this.store.value[input].wanted) {
      track.stop()
      return
    }
    this.#set(input, { busy: false, problem: undefined, track })
  }

  #close(input: Input): void {
    this.store.value[input].track?.stop()
    this.#set(input, { busy: false, track: undefined })
  }

  #set(input: Input, change: Partial<InputState>): void {
    this.store.update({ [input]: { ...this.store.value[input], ...change } })
  }

  #video() {
    return this.#devices.camera ? { deviceId: { ideal: this.#devices.camera } } : {}
  }

  #audio() {
    return this.#devices.microphone ? { deviceId: { ideal: this.#devices.microphone } } : {}
  }
}
