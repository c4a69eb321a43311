// The room page: look the room up, prepare, be in the call, be gone again.

import { useCallback, useEffect, useRef, useState } from 'react'
import { Track, type LocalTrack } from 'livekit-client'
import { getRoom, joinRoom, type RoomInfo } from '../api'
import { Call } from '../call/call'
import { apiWords, type Words } from '../lib/errors'
import { cleanName } from '../lib/people'
import { parseRoomQuery } from '../lib/query'
import { navigate } from '../router'
import { Session } from '../session/session'
import { joinWords, type Ending } from '../session/words'
import { recallDevices, recallName, rememberName } from '../storage'
import { useTitle } from '../ui/use-title'
import { Waiting } from '../ui/waiting'
import { LeftPage } from './left'
import { PreJoin } from './prejoin'
import { SorryPage } from './sorry'

/** How somebody joins: what is to be on, and the tracks of it that run already. */
export interface Entry {
  name: string
  camera: boolean
  microphone: boolean
  tracks?: LocalTrack[]
}

type Phase =
  | { at: 'looking' }
  | { at: 'missing'; words: Words }
  | { at: 'preparing'; info: RoomInfo; problem?: Words }
  | { at: 'joining' }
  | { at: 'call'; info: RoomInfo; session: Session }
  | { at: 'left'; ending: Ending; entry: Entry }

export default function RoomPage({ code }: { code: string }) {
  const [phase, setPhase] = useState<Phase>({ at: 'looking' })
  const [query] = useState(() => parseRoomQuery(location.search))
  const session = useRef<Session | null>(null)
  const gone = useRef(false)
  useTitle(code)

  /** Goes in; the call shows as soon as it is connected. Throws what keeps us out. */
  const enter = useCallback(
    async (entry: Entry, info: RoomInfo) => {
      const answer = await joinRoom(code, entry.name)
      if (gone.current) throw new Error('The page was left')
      const next = new Session({ devices: recallDevices(), singleConnection: query.singleConnection })
      session.current = next
      window.fanlight = { room: next.room }
      await next.connect(mediaUrl(answer.url), answer.token)
      setPhase({ at: 'call', info, session: next })
      void next.ended.then((ending) => setPhase({ at: 'left', ending, entry: { name: entry.name, ...next.wanted } }))
      // Who joins before the preview is ready still gets what was asked for.
      const ready = entry.tracks ?? []
      const has = (source: Track.Source) => ready.some((track) => track.source === source)
      void next.publish(ready)
      if (entry.microphone && !has(Track.Source.Microphone)) void next.turn('microphone', true)
      if (entry.camera && !has(Track.Source.Camera)) void next.turn('camera', true)
    },
    [code, query],
  )

  /** Goes in without asking anything; if that fails, prepares instead. */
  const enterAtOnce = useCallback(
    async (entry: Entry, info: RoomInfo) => {
      setPhase({ at: 'joining' })
      try {
        await enter(entry, info)
      } catch (error) {
        setPhase({ at: 'preparing', info, problem: joinWords(error) })
      }
    },
    [enter],
  )

  const look = useCallback(async (): Promise<RoomInfo | undefined> => {
    try {
      return await getRoom(code)
    } catch (error) {
      setPhase({ at: 'missing', words: apiWords(error) })
      return undefined
    }
  }, [code])

  const begin = useCallback(async () => {
    const info = await look()
    if (!info) return
    const name = cleanName(query.name ?? recallName())
    if (query.auto && name) await enterAtOnce({ name, camera: query.camera, microphone: query.microphone }, info)
    else setPhase({ at: 'preparing', info })
  }, [look, query, enterAtOnce])

  const retry = () => {
    setPhase({ at: 'looking' })
    void begin()
  }

  const rejoin = useCallback(
    async (entry: Entry) => {
      setPhase({ at: 'looking' })
      const info = await look()
      if (info) await enterAtOnce(entry, info)
    },
    [look, enterAtOnce],
  )

  useEffect(() => {
    gone.current = false
    // oxlint-disable-next-line react/set-state-in-effect -- it waits for the server before it sets anything
    void begin()
    return () => {
      gone.current = true
      void session.current?.leave()
    }
  }, [begin])

  switch (phase.at) {
    case 'looking':
      return <Waiting />
    case 'joining':
      return <Waiting text="Joining the room…" />
    case 'missing':
      return <SorryPage words={phase.words} onRetry={retry} />
    case 'preparing':
      return (
        <PreJoin
          info={phase.info}
          name={query.name ?? recallName()}
          wanted={{ camera: query.camera, microphone: query.microphone }}
          problem={phase.problem}
          onJoin={async (entry) => {
            rememberName(entry.name)
            await enter(entry, phase.info)
          }}
        />
      )
    case 'call':
      return <Call session={phase.session} info={phase.info} />
    case 'left':
      return <LeftPage code={code} ending={phase.ending} onRejoin={() => rejoin(phase.entry)} onHome={() => navigate('/')} />
  }
}

/** A secure page may only open secure sockets; then the page's own host is the way. */
function mediaUrl(url: string): string {
  if (location.protocol === 'https:' && url.startsWith('ws:')) return `wss://${location.host}`
  return url
}

