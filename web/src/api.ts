// The server's REST API, as far as this client uses it.

import { ApiError, UnreachableError } from './lib/errors'

export interface CreatedRoom {
  code: string
  name: string
  link: string
}

export interface RoomInfo {
  code: string
  name: string
  participants: number
  /** 0 when there is no limit. */
  max_participants: number
  /** Unix time in seconds. */
  created_at: number
}

export interface JoinAnswer {
  /** WebSocket address of the media server. */
  url: string
  token: string
  identity: string
  room: string
}

export interface ServerConfig {
  version: string
  max_participants: number
  /** 0 when the server has no HTTPS. */
  https_port: number
}

/** How long an answer may take before the server counts as unreachable. */
const timeoutMs = 10_000

export function createRoom(): Promise<CreatedRoom> {
  return call('POST', '/api/rooms', {})
}

export function getRoom(code: string): Promise<RoomInfo> {
  return call('GET', `/api/rooms/${encodeURIComponent(code)}`)
}

export function joinRoom(code: string, name: string): Promise<JoinAnswer> {
  return call('POST', `/api/rooms/${encodeURIComponent(code)}/join`, { name })
}

export function getConfig(): Promise<ServerConfig> {
  return call('GET', '/api/config')
}

/** Throws ApiError when the server refuses, UnreachableError when it does not answer. */
async function call<T>(method: string, path: string, body?: object): Promise<T> {
  const request: RequestInit = { method, signal: AbortSignal.timeout(timeoutMs) }
  if (body) {
    request.headers = { 'Content-Type': 'application/json' }
    request.body = JSON.stringify(body)
  }
  let response: Response
  let text: string
  try {
    response = await fetch(path, request)
    text = await response.text()
  } catch (cause) {
    throw new UnreachableError(`${method} ${path}`, { cause })
  }
  const answer = parse(text)
  if (response.ok && answer) return answer as T
  const error = answer?.['error'] as { code?: string; message?: string } | undefined
  // A proxy in front of a stopped server answers 502 to 504 by itself.
  if (!error && response.status >= 502 && response.status <= 504) {
    throw new UnreachableError(`${method} ${path}: ${response.status}`)
  }
  throw new ApiError(response.status, error?.code ?? 'bad_answer', error?.message ?? '')
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
