import { describe, expect, it } from 'vitest'
import { parseRoomQuery } from './query'

describe('parseRoomQuery', () => {
  it('asks for nothing by default', () => {
    expect(parseRoomQuery('')).toEqual({
      auto: false,
      camera: true,
      microphone: true,
      singleConnection: true,
    })
  })

  it('reads every option', () => {
    expect(parseRoomQuery('?name=Ada%20L&auto=1&cam=0&mic=false&single=0')).toEqual({
      name: 'Ada L',
      auto: true,
      camera: false,
      microphone: false,
      singleConnection: false,
    })
  })

  it('takes a bare option as yes and an empty name as none', () => {
    expect(parseRoomQuery('?auto&name=')).toMatchObject({ auto: true })
    expect(parseRoomQuery('?name=')).not.toHaveProperty('name')
  })
})
