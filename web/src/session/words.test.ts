import { ConnectionError, DisconnectReason } from 'livekit-client'
import { describe, expect, it } from 'vitest'
import { ApiError, UnreachableError } from '../lib/errors'
import { endingOf, joinWords } from './words'

describe('joinWords', () => {
  it.each([
    [new ApiError(404, 'room_not_found', ''), 'There is no such room'],
    [new ApiError(403, 'room_full', ''), 'The room is full'],
    [new UnreachableError(), 'The server does not answer'],
    [ConnectionError.notAllowed('no', 401), 'The server did not let you in'],
    [ConnectionError.serverUnreachable('no'), 'The server does not answer'],
    [ConnectionError.websocket('no'), 'The server does not answer'],
    [ConnectionError.timeout('no'), 'The server took too long'],
    [ConnectionError.leaveRequest('no', DisconnectReason.JOIN_FAILURE), 'The server ended the call before it began'],
    [ConnectionError.cancelled('no'), 'Joining was interrupted'],
    [ConnectionError.internal('could not establish pc connection'), 'Sound and picture cannot get through'],
    [new Error('sprocket jammed'), 'Something went wrong'],
    [undefined, 'Something went wrong'],
  ])('has words for %s', (error, title) => {
    expect(joinWords(error).title).toBe(title)
  })
})

describe('endingOf', () => {
  it.each([
    [DisconnectReason.CLIENT_INITIATED, 'left'],
    [DisconnectReason.DUPLICATE_IDENTITY, 'duplicate'],
    [DisconnectReason.PARTICIPANT_REMOVED, 'removed'],
    [DisconnectReason.ROOM_DELETED, 'closed'],
    [DisconnectReason.SERVER_SHUTDOWN, 'server'],
    [DisconnectReason.STATE_MISMATCH, 'lost'],
    [undefined, 'lost'],
  ])('tells reason %s as %s', (reason, cause) => {
    expect(endingOf(reason).cause).toBe(cause)
  })
})
