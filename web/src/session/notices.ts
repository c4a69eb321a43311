// Short messages over the room: problems stay until they are dismissed or have
// been readable for long enough, news goes away by itself.

import type { Words } from '../lib/errors'
import { Store } from './store'

export interface Notice extends Words {
  id: number
  kind: 'problem' | 'news'
}

const newsMs = 4_000
const problemMs = 20_000
/** More than this at a time would cover the room. */
const most = 3

export class Notices {
  readonly store = new Store<Notice[]>([])
  #count = 0

  /** Shows a problem; null (nothing worth saying) is ignored. */
  problem(words: Words | null): void {
    if (words) this.#show({ ...words, kind: 'problem' }, problemMs)
  }

  say(title: string): void {
    this.#show({ title, text: '', kind: 'news' }, newsMs)
  }

  dismiss(id: number): void {
    this.store.set(this.store.value.filter((notice) => notice.id !== id))
  }

  #show(words: Omit<Notice, 'id'>, ms: number): void {
    const id = ++this.#count
    const others = this.store.value.filter((notice) => notice.title !== words.title)
    this.store.set([...others, { ...words, id }].slice(-most))
    setTimeout(() => this.dismiss(id), ms)
  }
}
