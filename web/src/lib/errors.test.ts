import { describe, expect, it } from 'vitest'
import { ApiError, UnreachableError, apiWords, mediaWords } from './errors'

const failure = (name: string, message = '') => Object.assign(new Error(message), { name })

describe('mediaWords', () => {
  it.each([
    ['NotAllowedError', 'Camera blocked'],
    ['SecurityError', 'Camera blocked'],
    ['NotFoundError', 'No camera found'],
    ['OverconstrainedError', 'No camera found'],
    ['NotReadableError', 'Camera is busy'],
    ['AbortError', 'Camera is busy'],
    ['NotSupportedError', 'No camera on this page'],
    ['DeviceUnsupportedError', 'No camera on this page'],
  ])('says what %s means', (name, title) => {
    expect(mediaWords(failure(name), 'camera')?.title).toBe(title)
  })

  it('names the device that failed', () => {
    expect(mediaWords(failure('NotFoundError'), 'microphone')?.text).toContain('a microphone')
    expect(mediaWords(failure('NotFoundError'), 'camera')?.text).toContain('a camera')
  })

  it('tells a refusal by the system from one by the browser', () => {
    const words = mediaWords(failure('NotAllowedError', 'Permission denied by system'), 'microphone')
    expect(words?.title).toBe('Microphone blocked by this computer')
  })

  it('is silent when the screen picker was closed', () => {
    expect(mediaWords(failure('NotAllowedError', 'Permission denied'), 'screen')).toBeNull()
    expect(mediaWords(failure('NotAllowedError', 'Permission denied by system'), 'screen')).not.toBeNull()
  })

  it('passes on what it does not know', () => {
    expect(mediaWords(failure('OddError', 'sprocket jammed'), 'camera')?.text).toContain('sprocket jammed')
    expect(mediaWords(undefined, 'camera')?.title).toBe('Camera did not start')
    expect(mediaWords('plain text', 'camera')?.text).toContain('plain text')
  })
})

describe('apiWords', () => {
  it.each([
    [new ApiError(404, 'room_not_found', 'x'), 'There is no such room'],
    [new ApiError(403, 'room_full', 'x'), 'The room is full'],
    [new ApiError(200, 'bad_answer', 'x'), 'The server gave an answer that makes no sense'],
    [new ApiError(429, 'slow_down', 'x'), 'Too many tries'],
    [new ApiError(500, 'internal', 'x'), 'The server has a problem'],
    [new UnreachableError(), 'The server does not answer'],
  ])('has words for %s', (error, title) => {
    expect(apiWords(error).title).toBe(title)
  })

  it("shows the server's own sentence for other refusals", () => {
    const words = apiWords(new ApiError(400, 'name_too_long', 'The name is too long.'))
    expect(words.text).toBe('The name is too long.')
  })

  it('has words for anything', () => {
    expect(apiWords(new Error('boom')).text).toBe('boom')
    expect(apiWords(null).text).not.toBe('')
  })
})
