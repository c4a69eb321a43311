// The room's chat: text streams on the topic that LiveKit's own components
// use, so that other clients in the room take part.

import { ConnectionState, RoomEvent, type Room } from 'livekit-client'
import { randomUuid } from '../lib/uuid'
import { Store } from './store'

const topic = 'lk.chat'

/** The longest line that can be sent, in characters. */
export const maxChatLength = 4000

/** Lines kept for display; older ones are forgotten. */
const maxLines = 500

/** Lines of one's own that wait for the connection; more are refused. */
export const maxWaiting = 50

/** Between two looks whether livekit-client has connected anew: no event tells. */
const lookMs = 50

/** Names a line to its receivers: one that is sent again is shown once. */
const lineKey = 'line'

export interface ChatLine {
  id: string
  identity: string
  name: string
  text: string
  /** Milliseconds since 1970. */
  at: number
  own: boolean
  state: 'sending' | 'sent' | 'failed'
  /** Why it failed, in words. */
  problem?: string
}

export interface ChatState {
  lines: ChatLine[]
  open: boolean
  /** Lines that came while the panel was closed. */
  unread: number
}

/**
 * Lines are sent one after the other, and only while the room is connected:
 * livekit-client takes what is sent while it connects anew, and then drops it.
 */
export class Chat {
  readonly store = new Store<ChatState>({ lines: [], open: false, unread: 0 })
  readonly #room: Room
  /** What is to be sent, in order; the first may be on its way. */
  readonly #waiting: Pick<ChatLine, 'id' | 'text'>[] = []
  #sending = false
  #look: ReturnType<typeof setTimeout> | undefined
  #closed = false
  /** How often the connection was lost. */
  #breaks = 0

  constructor(room: Room) {
    this.#room = room
    room.registerTextStreamHandler(topic, async (reader, { identity }) => {
      try {
        const text = await reader.readAll()
        const { id, attributes, timestamp } = reader.info
        this.#receive(attributes?.[lineKey] ?? id, identity, text, timestamp)
      } catch {
        // The sender went away in the middle of the line.
      }
    })
    room.on(RoomEvent.ConnectionStateChanged, (state) => {
      if (state === ConnectionState.Connected) void this.#deliver()
      else this.#breaks++
    })
  }

  setOpen(open: boolean): void {
    this.store.update(open ? { open, unread: 0 } : { open })
  }

  /** Shows a line, and sends it when it can be sent. */
  send(text: string): void {
    const { identity, name } = this.#room.localParticipant
    const id = randomUuid()
    this.#add({ id, identity, name: name || identity, text, at: Date.now(), own: true, state: 'sending' })
    this.#enqueue(id, text)
  }

  /** Tries a line again that could not be sent. */
  retry(id: string): void {
    const line = this.store.value.lines.find((each) => each.id === id && each.state === 'failed')
    if (!line) return
    this.#mark(id, 'sending')
    this.#enqueue(id, line.text)
  }

  /** The stay is over: nothing more is sent. Returns the texts of the lines that nobody got. */
  close(): string[] {
    this.#closed = true
    for (const { id } of this.#waiting.splice(0)) this.#mark(id, 'failed', 'The call ended before this was sent.')
    return this.store.value.lines.filter((line) => line.state === 'failed').map((line) => line.text)
  }

  #enqueue(id: string, text: string): void {
    if (this.#closed) return this.#mark(id, 'failed', 'The call has ended.')
    if (this.#waiting.length >= maxWaiting) return this.#mark(id, 'failed', 'Too many lines are waiting for the connection.')
    this.#waiting.push({ id, text })
    void this.#deliver()
  }

  /** Whether a line would be sent now. The room is called connected a while before. */
  #up(): boolean {
    return this.#room.state === ConnectionState.Connected && !this.#room.engine['attemptingReconnect']
  }

  /** Sends what waits, as long as the connection stands. */
  async #deliver(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    while (this.#up()) {
      const line = this.#waiting[0]
      if (!line) break
      const breaks = this.#breaks
      const state = await this.#put(line)
      if (this.#closed) break
      // Nobody knows what became of a line that was on its way when the connection broke.
      if (this.#breaks !== breaks || !this.#up()) continue
      this.#waiting.shift()
      this.#mark(line.id, state, state === 'failed' ? 'Not sent.' : undefined)
    }
    this.#sending = false
    if (this.#waiting.length > 0 && this.#room.state === ConnectionState.Connected) this.#lookAgain()
  }

  #lookAgain(): void {
    clearTimeout(this.#look)
    this.#look = setTimeout(() => void this.#deliver(), lookMs)
  }

  async #put({ id, text }: Pick<ChatLine, 'id' | 'text'>): Promise<'sent' | 'failed'> {
    try {
      await this.#room.localParticipant.sendText(text, { topic, attributes: { [lineKey]: id } })
      return 'sent'
    } catch {
      return 'failed'
    }
  }

  #receive(id: string, identity: string, text: string, at: number): void {
    if (!text.trim()) return
    if (this.store.value.lines.some((line) => line.id === id && line.identity === identity)) return
    const name = this.#room.remoteParticipants.get(identity)?.name || identity
    this.#add({ id, identity, name, text, at: at || Date.now(), own: false, state: 'sent' })
  }

  #add(line: ChatLine): void {
    const { lines, open, unread } = this.store.value
    this.store.update({
      lines: [...lines, line].slice(-maxLines),
      unread: open || line.own ? unread : unread + 1,
    })
  }

  #mark(id: string, state: ChatLine['state'], problem?: string): void {
    const { lines } = this.store.value
    this.store.update({ lines: lines.map((line) => (line.own && line.id === id ? { ...line, state, problem } : line)) })
  }
}
