// The room's chat: text streams on the topic that LiveKit's own components
// use, so that other clients in the room take part.

import type { Room } from 'livekit-client'
import { Store } from './store'

const topic = 'lk.chat'

/** The longest line that can be sent, in characters. */
export const maxChatLength = 4000

/** Lines kept for display; older ones are forgotten. */
const maxLines = 500

export interface ChatLine {
  id: string
  identity: string
  name: string
  text: string
  /** Milliseconds since 1970. */
  at: number
  own: boolean
  state: 'sending' | 'sent' | 'failed'
}

export interface ChatState {
  lines: ChatLine[]
  open: boolean
  /** Lines that came while the panel was closed. */
  unread: number
}

export class Chat {
  readonly store = new Store<ChatState>({ lines: [], open: false, unread: 0 })
  readonly #room: Room
  #count = 0

  constructor(room: Room) {
    this.#room = room
    room.registerTextStreamHandler(topic, async (reader, { identity }) => {
      try {
        const text = await reader.readAll()
        this.#receive(reader.info.id, identity, text, reader.info.timestamp)
      } catch {
        // The sender went away in the middle of the line.
      }
    })
  }

  setOpen(open: boolean): void {
    this.store.update(open ? { open, unread: 0 } : { open })
  }

  async send(text: string): Promise<void> {
    const { identity, name } = this.#room.localParticipant
    const id = `own-${++this.#count}`
    this.#add({ id, identity, name: name || identity, text, at: Date.now(), own: true, state: 'sending' })
    await this.#deliver(id, text)
  }

  /** Tries a line again that could not be sent. */
  async retry(id: string): Promise<void> {
    const line = this.store.value.lines.find((each) => each.id === id && each.state === 'failed')
    if (!line) return
    this.#mark(id, 'sending')
    await this.#deliver(id, line.text)
  }

  async #deliver(id: string, text: string): Promise<void> {
    try {
      await this.#room.localParticipant.sendText(text, { topic })
      this.#mark(id, 'sent')
    } catch {
      this.#mark(id, 'failed')
    }
  }

  #receive(id: string, identity: string, text: string, at: number): void {
    if (!text.trim()) return
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

  #mark(id: string, state: ChatLine['state']): void {
    const { lines } = this.store.value
    this.store.update({ lines: lines.map((line) => (line.id === id ? { ...line, state } : line)) })
  }
}
