import { describe, expect, it } from 'vitest'
import { cleanName, countPeople, hueOf, initials, maxNameLength } from './people'

describe('cleanName', () => {
  it('tidies what was typed', () => {
    expect(cleanName('  Ada \t Lovelace\n')).toBe('Ada Lovelace')
    expect(cleanName('\u202eAda\u0000')).toBe('Ada')
    expect(cleanName('   ')).toBe('')
  })

  it('cuts long names without halving a character', () => {
    const name = cleanName('\u{1f468}'.repeat(100))
    expect([...name]).toHaveLength(maxNameLength)
    expect(encodeURIComponent(name)).toMatch(/^(%[0-9A-F]{2})+$/)
  })
})

describe('initials', () => {
  it.each([
    ['Ada', 'A'],
    ['ada lovelace', 'AL'],
    ['Jean-Luc Picard', 'JP'],
    ['(Grace) Hopper', 'GH'],
    ['\u00e9mile', '\u00c9'],
    ['\u{1f980}', '?'],
    ['', '?'],
  ])('of %j are %j', (name, letters) => {
    expect(initials(name)).toBe(letters)
  })
})

describe('hueOf', () => {
  it('is stable and within the circle', () => {
    expect(hueOf('ada-x7k2')).toBe(hueOf('ada-x7k2'))
    for (const id of ['', 'a', 'b', 'ada-x7k2']) {
      expect(hueOf(id)).toBeGreaterThanOrEqual(0)
      expect(hueOf(id)).toBeLessThan(360)
    }
    expect(hueOf('ada')).not.toBe(hueOf('grace'))
  })
})

describe('countPeople', () => {
  it('counts in words', () => {
    expect([0, 1, 2].map(countPeople)).toEqual(['nobody', 'one person', '2 people'])
  })
})
