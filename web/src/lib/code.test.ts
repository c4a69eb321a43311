import { describe, expect, it } from 'vitest'
import { parseRoomCode, roomLink } from './code'

describe('parseRoomCode', () => {
  it.each([
    ['abc-defg-hij'],
    ['ABC-DEFG-HIJ'],
    ['  abc-defg-hij \n'],
    ['abcdefghij'],
    ['abc defg hij'],
    ['Abc Defg-Hij'],
    ['abc\u2013defg\u2014hij'],
    ['abc.defg.hij'],
    ['a b c d e f g h i j'],
    ['http://localhost:7880/r/abc-defg-hij'],
    ['https://meet.example.org/r/ABC-DEFG-HIJ?name=Ada#x'],
    ['meet.example.org/r/abcdefghij/'],
    ['/r/abc%2Ddefg%2Dhij'],
    ['Join me: https://meet.example.org/r/abc-defg-hij, at ten'],
    ['the code is abc-defg-hij.'],
    ['\uff41\uff42\uff43-defg-hij'],
  ])('reads %j', (input) => {
    expect(parseRoomCode(input)).toBe('abc-defg-hij')
  })

  it.each([
    [''],
    ['abc-defg'],
    ['abc-defg-hijk'],
    ['abc-d3fg-hij'],
    ['https://meet.example.org/'],
    ['https://meet.example.org/r/'],
    ['https://meet.example.org/r/%E0%A4%A'],
    ['xabc-defg-hijx'],
  ])('finds no code in %j', (input) => {
    expect(parseRoomCode(input)).toBeNull()
  })
})

describe('roomLink', () => {
  it('leads back to the same code', () => {
    const link = roomLink('abc-defg-hij', 'https://meet.example.org:7443')
    expect(link).toBe('https://meet.example.org:7443/r/abc-defg-hij')
    expect(parseRoomCode(link)).toBe('abc-defg-hij')
  })
})
