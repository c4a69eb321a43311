import { describe, expect, it } from 'vitest'
import { linkParts } from './text'

const links = (text: string) =>
  linkParts(text)
    .filter((part) => part.href)
    .map((part) => part.text)

describe('linkParts', () => {
  it('keeps plain text whole', () => {
    expect(linkParts('hello there')).toEqual([{ text: 'hello there' }])
    expect(linkParts('')).toEqual([])
  })

  it('finds addresses and leaves the punctuation around them', () => {
    expect(links('see https://example.org/a, or (http://example.org/b).')).toEqual([
      'https://example.org/a',
      'http://example.org/b',
    ])
    expect(links('https://example.org/wiki/Fan_(window)')).toEqual([
      'https://example.org/wiki/Fan_(window)',
    ])
  })

  it('makes nothing else clickable', () => {
    expect(links('javascript:alert(1) data:text/html,x ftp://example.org')).toEqual([])
    expect(links('http://')).toEqual([])
  })

  it('loses no character', () => {
    const text = 'a https://x.org/?q=1! b http://y.org c'
    expect(linkParts(text).map((part) => part.text).join('')).toBe(text)
  })
})
