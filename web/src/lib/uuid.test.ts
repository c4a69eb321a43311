import { describe, expect, it } from 'vitest'
import { provideRandomUuid, randomUuid } from './uuid'

const form = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

describe('randomUuid', () => {
  it('has the form of version 4, each time another', () => {
    const all = Array.from({ length: 200 }, randomUuid)
    for (const each of all) expect(each).toMatch(form)
    expect(new Set(all).size).toBe(200)
  })
})

describe('provideRandomUuid', () => {
  it('fills in what is missing', () => {
    const page: { randomUUID?: Crypto['randomUUID'] } = {}
    provideRandomUuid(page)
    expect(page.randomUUID?.()).toMatch(form)
  })

  it('leaves what the browser has', () => {
    const own = crypto.randomUUID
    const page = { randomUUID: own }
    provideRandomUuid(page)
    expect(page.randomUUID).toBe(own)
  })
})
