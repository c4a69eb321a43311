// Chat text: plain, except that web addresses become links.

export interface TextPart {
  text: string
  /** Set when the part is a web address. */
  href?: string
}

const address = /https?:\/\/[^\s<>"']+/gi

/** Splits a line into plain text and links. Only http and https become links. */
export function linkParts(text: string): TextPart[] {
  const parts: TextPart[] = []
  let from = 0
  for (const match of text.matchAll(address)) {
    const href = trimEnd(match[0])
    if (!URL.canParse(href)) continue
    if (match.index > from) parts.push({ text: text.slice(from, match.index) })
    parts.push({ text: href, href })
    from = match.index + href.length
  }
  if (from < text.length) parts.push({ text: text.slice(from) })
  return parts
}

/** Punctuation that ends the sentence is not part of the address; a closing bracket is only if it was opened. */
function trimEnd(href: string): string {
  let end = href.replace(/[.,;:!?\u2026]+$/, '')
  while (end.endsWith(')') && !end.includes('(')) end = end.slice(0, -1).replace(/[.,;:!?]+$/, '')
  return end
}
