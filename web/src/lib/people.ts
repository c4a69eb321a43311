// How a person without a picture is drawn, and names as people write them.

/** The longest name that is sent to the server, in characters. */
export const maxNameLength = 60

/** Trims, collapses white space, drops control characters, cuts to the longest name. */
export function cleanName(name: string): string {
  const plain = name.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').replace(/\s+/g, ' ').trim()
  return [...plain].slice(0, maxNameLength).join('').trim()
}

/** One or two letters for the avatar: "Ada Lovelace" is AL, "ada" is A. */
export function initials(name: string): string {
  const words = name.split(/[\s_-]+/).filter((word) => /[\p{L}\p{N}]/u.test(word))
  const first = words[0]
  if (!first) return '?'
  const last = words.length > 1 ? words[words.length - 1] : undefined
  return (letter(first) + (last ? letter(last) : '')).toUpperCase()
}

/** A hue (0 to 359) that stays the same for the same identity. */
export function hueOf(identity: string): number {
  let hash = 2166136261
  for (const char of identity) {
    hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 16777619)
  }
  return (hash >>> 0) % 360
}

/** "nobody", "one person", "3 people". */
export function countPeople(count: number): string {
  if (count === 0) return 'nobody'
  return count === 1 ? 'one person' : `${count} people`
}

function letter(word: string): string {
  return /[\p{L}\p{N}]/u.exec(word)?.[0] ?? ''
}
