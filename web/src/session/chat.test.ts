import { ConnectionState, RoomEvent, type Room } from 'livekit-client'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Chat, maxWaiting } from './chat'

interface Sent {
  text: string
  key: string
}

type Handler = (reader: object, from: { identity: string }) => Promise<void>

/** As much of a Room as the chat sees of it; sendText drops lines as livekit-client does while it connects anew. */
class FakeRoom {
  state = ConnectionState.Disconnected
  /** What the server got. */
  readonly got: Sent[] = []
  /** The flag of livekit-client while which it takes lines and drops them. */
  readonly engine = { attemptingReconnect: false }
  /** The next sendText does as this says. */
  next: (() => Promise<void>) | undefined
  readonly remoteParticipants = new Map([['ben', { name: 'Ben' }]])
  readonly localParticipant = {
    identity: 'ann',
    name: 'Ann',
    sendText: async (text: string, options: { topic: string; attributes: { line: string } }) => {
      expect(options.topic).toBe('lk.chat')
      const { next } = this
      this.next = undefined
      await next?.()
      if (!this.engine.attemptingReconnect) this.got.push({ text, key: options.attributes.line })
    },
  }
  #changed: (state: ConnectionState) => void = () => expect.fail('nobody listens')
  receive: Handler = () => expect.fail('nobody listens')

  registerTextStreamHandler(_topic: string, handler: Handler) {
    this.receive = handler
  }

  on(event: RoomEvent, listener: (state: ConnectionState) => void) {
    if (event === RoomEvent.ConnectionStateChanged) this.#changed = listener
  }

  become(state: ConnectionState) {
    this.state = state
    this.engine.attemptingReconnect = state !== ConnectionState.Connected
    this.#changed(state)
  }

  /** As livekit-client does it: it says so, and some time later it takes lines again. */
  async comesBack() {
    this.state = ConnectionState.Connected
    this.#changed(this.state)
    await vi.advanceTimersByTimeAsync(200)
    this.engine.attemptingReconnect = false
    await vi.advanceTimersByTimeAsync(200)
  }
}

const { Connected, Reconnecting, SignalReconnecting } = ConnectionState
const task = () => vi.advanceTimersByTimeAsync(1)

let room: FakeRoom, chat: Chat

beforeEach(async () => {
  vi.useFakeTimers()
  room = new FakeRoom()
  chat = new Chat(room as unknown as Room)
  room.become(Connected)
  await task()
})

afterEach(() => {
  vi.useRealTimers()
})

/** The next line is held up until it is let through, or fails. */
function hold() {
  const gate = { open: nothing, break: nothing }
  const passed = new Promise<void>((resolve, reject) => {
    gate.open = resolve
    gate.break = () => reject(new Error('closed'))
  })
  room.next = () => passed
  return gate
}

const nothing = () => {}
const texts = () => room.got.map(({ text }) => text)
const states = () => chat.store.value.lines.map(({ text, state }) => `${text} ${state}`)
const from = (id: string, text: string, attributes?: object) =>
  room.receive({ info: { id, attributes, timestamp: 1 }, readAll: async () => text }, { identity: 'ben' })

describe('a line of one’s own', () => {
  it('is sent', async () => {
    chat.send('one')
    expect(states()).toEqual(['one sending'])
    await task()
    expect(states()).toEqual(['one sent'])
    expect(texts()).toEqual(['one'])
  })

  it.each([Reconnecting, SignalReconnecting])('waits while the room is %s', async (state) => {
    room.become(state)
    for (const text of ['one', 'two', 'three']) chat.send(text)
    await task()
    expect(states()).toEqual(['one sending', 'two sending', 'three sending'])
    await room.comesBack()
    expect(texts()).toEqual(['one', 'two', 'three'])
    expect(states()).toEqual(['one sent', 'two sent', 'three sent'])
  })

  it('waits on when a resume becomes a connection made anew', async () => {
    room.become(SignalReconnecting)
    chat.send('one')
    room.state = Connected
    room.become(Reconnecting)
    await task()
    expect(states()).toEqual(['one sending'])
    await room.comesBack()
    expect(texts()).toEqual(['one'])
  })

  it('is sent again when the connection broke without the room saying so', async () => {
    const gate = hold()
    chat.send('one')
    await task()
    room.engine.attemptingReconnect = true
    gate.open()
    await task()
    expect(states()).toEqual(['one sending'])
    await room.comesBack()
    expect(texts()).toEqual(['one'])
    expect(states()).toEqual(['one sent'])
  })

  it('keeps its place behind one that takes its time', async () => {
    const gate = hold()
    chat.send('one')
    chat.send('two')
    await task()
    expect(texts()).toEqual([])
    gate.open()
    await task()
    expect(texts()).toEqual(['one', 'two'])
  })

  it('is sent again, under the same key, when the connection broke meanwhile', async () => {
    const gate = hold()
    chat.send('one')
    chat.send('two')
    await task()
    room.become(Reconnecting)
    gate.open() // taken by the SDK, and dropped
    await task()
    expect(states()).toEqual(['one sending', 'two sending'])
    await room.comesBack()
    expect(texts()).toEqual(['one', 'two'])
    expect(room.got.map(({ key }) => key)).toEqual(chat.store.value.lines.map(({ id }) => id))
  })

  it('is not failed by the break itself', async () => {
    const gate = hold()
    chat.send('one')
    await task()
    room.become(Reconnecting)
    gate.break()
    await task()
    expect(states()).toEqual(['one sending'])
    await room.comesBack()
    expect(states()).toEqual(['one sent'])
  })

  it('fails alone when it cannot be sent, and can be tried again', async () => {
    room.next = () => Promise.reject(new Error('too large'))
    chat.send('one')
    chat.send('two')
    await task()
    expect(states()).toEqual(['one failed', 'two sent'])
    expect(chat.store.value.lines[0]?.problem).toBe('Not sent.')
    chat.retry(chat.store.value.lines[0]!.id)
    await task()
    expect(states()).toEqual(['one sent', 'two sent'])
    expect(chat.store.value.lines[0]?.problem).toBeUndefined()
    expect(texts()).toEqual(['two', 'one'])
  })

  it('is refused when too many wait', async () => {
    room.become(Reconnecting)
    for (let i = 0; i <= maxWaiting; i++) chat.send(`line ${i}`)
    expect(states().filter((line) => line.endsWith('sending'))).toHaveLength(maxWaiting)
    expect(chat.store.value.lines.at(-1)).toMatchObject({
      state: 'failed',
      problem: 'Too many lines are waiting for the connection.',
    })
    await room.comesBack()
    expect(texts()).toHaveLength(maxWaiting)
  })

  it('fails in words when the room is left for good', async () => {
    chat.send('zero')
    await task()
    const gate = hold()
    chat.send('one')
    await task()
    room.become(Reconnecting)
    chat.send('two')
    room.become(ConnectionState.Disconnected)
    expect(chat.close()).toEqual(['one', 'two'])
    gate.open()
    await task()
    expect(states()).toEqual(['zero sent', 'one failed', 'two failed'])
    expect(chat.store.value.lines.at(-1)?.problem).toBe('The call ended before this was sent.')
    chat.send('three')
    expect(chat.store.value.lines.at(-1)).toMatchObject({ state: 'failed', problem: 'The call has ended.' })
    expect(texts()).toEqual(['zero'])
  })
})

describe('a line of somebody else', () => {
  it('is shown', async () => {
    await from('1', 'hello')
    expect(chat.store.value).toMatchObject({ unread: 1, lines: [{ text: 'hello', name: 'Ben', own: false, state: 'sent' }] })
  })

  it('is shown once, however often it comes', async () => {
    await from('1', 'hello', { line: 'a' })
    await from('2', 'hello', { line: 'a' })
    await from('3', 'hello', { line: 'b' })
    expect(states()).toEqual(['hello sent', 'hello sent'])
  })

  it('has nothing to do with one of one’s own, whatever its key', async () => {
    room.become(Reconnecting)
    chat.send('mine')
    const { id } = chat.store.value.lines[0]!
    await from('1', 'theirs', { line: id })
    chat.close()
    expect(states()).toEqual(['mine failed', 'theirs sent'])
  })
})
