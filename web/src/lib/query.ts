// What the address of a room page may ask for, beyond the room itself.

export interface RoomQuery {
  /** ?name=Ada: the name to join with. */
  name?: string
  /** ?auto=1: join at once, without the step that checks camera and microphone. */
  auto: boolean
  /** ?cam=0, ?mic=0: start with it off. */
  camera: boolean
  microphone: boolean
  /** ?single=0: one peer connection each for sending and receiving. */
  singleConnection: boolean
}

export function parseRoomQuery(search: string): RoomQuery {
  const query = new URLSearchParams(search)
  const name = query.get('name')?.trim()
  return {
    ...(name ? { name } : {}),
    auto: flag(query.get('auto'), false),
    camera: flag(query.get('cam'), true),
    microphone: flag(query.get('mic'), true),
    singleConnection: flag(query.get('single'), true),
  }
}

function flag(value: string | null, otherwise: boolean): boolean {
  if (value === null) return otherwise
  return !['0', 'false', 'no', 'off'].includes(value.toLowerCase())
}
