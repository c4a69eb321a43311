// What went wrong, in words that a person understands and can act on.

export interface Words {
  title: string
  text: string
}

/** What the server's REST API answered when it did not do what was asked. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  constructor(
    readonly status: number,
    /** The snake_case code of the answer; "bad_answer" when it had none. */
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** The server did not answer at all. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError'
}

export type MediaKind = 'camera' | 'microphone' | 'screen' | 'speaker'

const noun: Record<MediaKind, string> = {
  camera: 'camera',
  microphone: 'microphone',
  screen: 'screen',
  speaker: 'speaker',
}

/**
 * Words for a failure to use a device. Null when there is nothing to say: the
 * person closed the browser's screen picker on purpose.
 */
export function mediaWords(error: unknown, kind: MediaKind): Words | null {
  const { name, message } = nameOf(error)
  const what = noun[kind]
  const What = capital(what)
  switch (name) {
    case 'NotAllowedError':
    case 'PermissionDeniedError':
    case 'SecurityError':
      if (kind === 'screen') return screenRefused(message)
      if (/system/i.test(message)) {
        return {
          title: `${What} blocked by this computer`,
          text: `The system's privacy settings do not let the browser use the ${what}. Allow it there, then try again.`,
        }
      }
      return {
        title: `${What} blocked`,
        text: `This page may not use the ${what}. Allow it through the sign in the address bar, then try again.`,
      }
    case 'NotFoundError':
    case 'DevicesNotFoundError':
    case 'OverconstrainedError':
      if (kind === 'screen') return { title: 'Nothing to share', text: 'The browser found no screen or window that it can share.' }
      return {
        title: `No ${what} found`,
        text: `Connect a ${what} and try again, or go on without one.`,
      }
    case 'NotReadableError':
    case 'TrackStartError':
    case 'AbortError':
      return {
        title: `${What} is busy`,
        text: `The ${what} could not be started. Another program or tab may be using it: close that, then try again.`,
      }
    case 'NotSupportedError':
    case 'DeviceUnsupportedError':
      return {
        title: `No ${what} on this page`,
        text: `This browser does not give this page a ${what}. A secure address (https) or another browser helps.`,
      }
    default:
      return {
        title: `${What} did not start`,
        text: message ? `The browser said: ${message}` : 'The browser gave no reason. Try again.',
      }
  }
}

/** Words for the browser's lack of any camera or microphone access. */
export const insecureWords: Words = {
  title: 'No camera or microphone on this address',
  text: 'Browsers give camera and microphone to secure pages only. You can still watch, listen and chat.',
}

/** Words for a failed answer of the server's REST API, or none at all. */
export function apiWords(error: unknown): Words {
  if (error instanceof UnreachableError) {
    return {
      title: 'The server does not answer',
      text: 'Check your network connection. If others cannot reach it either, the server may be down.',
    }
  }
  if (!(error instanceof ApiError)) return unknownWords(error)
  switch (error.code) {
    case 'room_not_found':
      return {
        title: 'There is no such room',
        text: 'Check the code: perhaps a letter is wrong. A room that nobody is in closes after a while.',
      }
    case 'room_full':
      return {
        title: 'The room is full',
        text: 'No more people can join right now. Try again when somebody has left.',
      }
    case 'bad_answer':
      return {
        title: 'The server gave an answer that makes no sense',
        text: 'Something between you and the server may be in the way. Try again in a moment.',
      }
    default:
      if (error.status === 429) return { title: 'Too many tries', text: 'Wait a minute, then try again.' }
      if (error.status >= 500) return { title: 'The server has a problem', text: error.message || 'Try again in a moment.' }
      return { title: 'That did not work', text: error.message || 'The server refused the request.' }
  }
}

export function unknownWords(error: unknown): Words {
  const { message } = nameOf(error)
  return { title: 'Something went wrong', text: message || 'Try again in a moment.' }
}

function screenRefused(message: string): Words | null {
  if (!/system/i.test(message)) return null
  return {
    title: 'Screen sharing blocked by this computer',
    text: "The system's privacy settings do not let the browser record the screen. Allow it there, then try again.",
  }
}

function nameOf(error: unknown): { name: string; message: string } {
  if (typeof error !== 'object' || error === null) return { name: '', message: String(error ?? '') }
  const { name, message } = error as { name?: unknown; message?: unknown }
  return {
    name: typeof name === 'string' ? name : '',
    message: typeof message === 'string' ? message : '',
  }
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
