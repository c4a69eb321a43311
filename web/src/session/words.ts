// How a session can fail to start and how it can end, in words.

import { ConnectionErrorReason, DisconnectReason } from 'livekit-client'
import { ApiError, UnreachableError, apiWords, unknownWords, type Words } from '../lib/errors'

/** Words for a failure of joining: the REST call, the WebSocket or the media path. */
export function joinWords(error: unknown): Words {
  if (error instanceof ApiError || error instanceof UnreachableError) return apiWords(error)
  const { reason, message } = (error ?? {}) as { reason?: unknown; message?: unknown }
  switch (reason) {
    case ConnectionErrorReason.NotAllowed:
      return {
        title: 'The server did not let you in',
        text: 'The permission to join may have run out, or the room has closed. Try again.',
      }
    case ConnectionErrorReason.ServerUnreachable:
    case ConnectionErrorReason.WebSocket:
    case ConnectionErrorReason.ServiceNotFound:
      return apiWords(new UnreachableError())
    case ConnectionErrorReason.Timeout:
      return {
        title: 'The server took too long',
        text: 'It answered too late, or not at all. Check your network connection and try again.',
      }
    case ConnectionErrorReason.LeaveRequest:
      return {
        title: 'The server ended the call before it began',
        text: 'The room may be full or closing. Try again in a moment.',
      }
    case ConnectionErrorReason.Cancelled:
      return { title: 'Joining was interrupted', text: 'Try again.' }
    default:
      if (typeof message === 'string' && /pc connection|peer ?connection|ice/i.test(message)) {
        return {
          title: 'Sound and picture cannot get through',
          text: 'The server answers, but a firewall between you and it seems to block the media ports.',
        }
      }
      return unknownWords(error)
  }
}

/** How a session ended; `cause` is stable, for styles and tests. */
export interface Ending extends Words {
  cause: 'left' | 'duplicate' | 'removed' | 'closed' | 'server' | 'lost'
  /** Lines of the chat that nobody got. */
  unsent?: string[]
}

export function endingOf(reason: DisconnectReason | undefined): Ending {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return { cause: 'left', title: 'You left the room', text: 'See you soon.' }
    case DisconnectReason.DUPLICATE_IDENTITY:
      return {
        cause: 'duplicate',
        title: 'You joined from another tab',
        text: 'The call goes on there, or on your other device. It ended here.',
      }
    case DisconnectReason.PARTICIPANT_REMOVED:
      return { cause: 'removed', title: 'You were removed from the room', text: 'Somebody in charge of the room ended the call for you.' }
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return { cause: 'closed', title: 'The room was closed', text: 'The call has ended for everybody.' }
    case DisconnectReason.SERVER_SHUTDOWN:
      return {
        cause: 'server',
        title: 'The server is stopping',
        text: 'It said goodbye on purpose and may be back in a moment.',
      }
    default:
      return {
        cause: 'lost',
        title: 'The connection was lost',
        text: 'It could not be brought back. Check your network connection, then rejoin.',
      }
  }
}
