// Random UUIDs on pages that are not secure.

/** A random UUID (RFC 9562, version 4). */
export function randomUuid(): ReturnType<Crypto['randomUUID']> {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/**
 * Browsers have crypto.randomUUID on secure pages only (HTTPS, localhost), and
 * livekit-client sends no line of the chat without it.
 */
export function provideRandomUuid(target: { randomUUID?: Crypto['randomUUID'] } = crypto): void {
  target.randomUUID ??= randomUuid
}
