// Room codes as people type, say and paste them: three groups of lower-case
// letters, 3-4-3 ("abc-defg-hij").

const groups = [3, 4, 3]
const letters = groups.reduce((sum, n) => sum + n, 0)
const exact = /(?<![a-z])[a-z]{3}-[a-z]{4}-[a-z]{3}(?![a-z])/
const separators = /[\s._\-\u00ad\u00b7\u2010-\u2015\u2212]+/g

/**
 * Finds the room code in what a person entered: any case, with spaces, other
 * dashes or none, a pasted link, or a sentence with a link or a code in it.
 * Returns the canonical code, or null when there is none.
 */
export function parseRoomCode(input: string): string | null {
  const text = input.normalize('NFKC').toLowerCase().trim()
  const link = /\/r\/([\w%.~\-\u2010-\u2015]+)/.exec(text)
  if (link?.[1]) return group(decode(link[1]))
  const inside = exact.exec(text)
  if (inside) return inside[0]
  return group(text)
}

/** The address that opens a room, for sharing: no query, no fragment. */
export function roomLink(code: string, origin: string): string {
  return `${origin}${roomPath(code)}`
}

export function roomPath(code: string): string {
  return `/r/${code}`
}

function group(text: string): string | null {
  const bare = text.replace(separators, '')
  if (bare.length !== letters || !/^[a-z]+$/.test(bare)) return null
  let from = 0
  return groups.map((n) => bare.slice(from, (from += n))).join('-')
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
