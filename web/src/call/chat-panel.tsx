import { useEffect, useLayoutEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react'
import { linkParts } from '../lib/text'
import { maxChatLength, type Chat, type ChatLine } from '../session/chat'
import { useStore } from '../session/store'
import { Icon } from '../ui/icons'

/** Lines of one person within this time go under one name. */
const togetherMs = 3 * 60_000

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

export function ChatPanel({ chat, onClose }: { chat: Chat; onClose: () => void }) {
  const { lines } = useStore(chat.store)
  return (
    <aside
      aria-label="Chat"
      data-testid="chat-panel"
      className="z-40 flex w-full shrink-0 animate-rise flex-col bg-ink-900 max-md:fixed max-md:inset-0 md:w-80 md:rounded-2xl md:border md:border-ink-800 lg:w-96"
    >
      <div className="flex h-14 shrink-0 items-center justify-between border-b border-ink-800 pr-2 pl-4">
        <h2 className="font-semibold text-paper">Chat</h2>
        <button
          type="button"
          data-testid="close-chat"
          aria-label="Close chat"
          onClick={onClose}
          className="inline-flex size-10 items-center justify-center rounded-xl text-ink-300 hover:bg-ink-800 hover:text-paper"
        >
          <Icon name="close" />
        </button>
      </div>
      <Lines lines={lines} onRetry={(id) => chat.retry(id)} />
      <Composer onSend={(text) => chat.send(text)} onClose={onClose} />
    </aside>
  )
}

function Lines({ lines, onRetry }: { lines: ChatLine[]; onRetry: (id: string) => void }) {
  const list = useRef<HTMLDivElement>(null)
  const atEnd = useRef(true)
  useLayoutEffect(() => {
    const element = list.current
    if (element && (atEnd.current || lines.at(-1)?.own)) element.scrollTop = element.scrollHeight
  }, [lines])
  return (
    <div
      ref={list}
      role="log"
      aria-label="Messages"
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- so that the keyboard can scroll it
      tabIndex={0}
      onScroll={({ currentTarget: el }) => (atEnd.current = el.scrollHeight - el.scrollTop - el.clientHeight < 48)}
      className="flex min-h-0 flex-1 flex-col overflow-y-auto overscroll-contain px-4 py-3 focus-visible:outline-none"
    >
      {lines.length === 0 && (
        <p className="m-auto max-w-56 text-center text-sm leading-relaxed text-ink-400">
          Nobody has written yet. Everybody who is in the room now will see what you write.
        </p>
      )}
      {lines.map((line, index) => (
        <Line key={`${line.identity}/${line.id}`} line={line} first={!together(lines[index - 1], line)} onRetry={onRetry} />
      ))}
    </div>
  )
}

function Line({ line, first, onRetry }: { line: ChatLine; first: boolean; onRetry: (id: string) => void }) {
  return (
    <div className={`max-w-full ${first ? 'mt-4 first:mt-0' : 'mt-1'}`}>
      {first && (
        <p className="mb-1 flex items-baseline gap-2 text-sm">
          <span className={`truncate font-semibold ${line.own ? 'text-lamp' : 'text-paper'}`}>{line.own ? 'You' : line.name}</span>
          <time dateTime={new Date(line.at).toISOString()} className="text-xs text-ink-400">
            {clock.format(line.at)}
          </time>
        </p>
      )}
      <p
        data-testid="chat-message"
        data-identity={line.identity}
        data-own={line.own}
        data-state={line.state}
        className={`w-fit max-w-full rounded-2xl px-3 py-2 text-[0.9375rem] leading-snug break-words whitespace-pre-wrap ${line.own ? 'bg-lamp-dim text-paper' : 'bg-ink-800 text-ink-100'} ${line.state === 'sending' ? 'opacity-60' : ''}`}
      >
        {linkParts(line.text).map((part, index) =>
          part.href ? (
            // oxlint-disable-next-line react/no-array-index-key -- the parts of a line never change
            <a key={index} href={part.href} target="_blank" rel="noopener noreferrer" className="text-lamp underline underline-offset-2">
              {part.text}
            </a>
          ) : (
            part.text
          ),
        )}
      </p>
      {line.state === 'failed' && (
        <button type="button" onClick={() => onRetry(line.id)} className="mt-1 flex items-center gap-1.5 text-xs text-stop-bright hover:underline">
          <Icon name="alert" className="size-4" />
          {line.problem} Try again
        </button>
      )}
    </div>
  )
}

interface ComposerProps {
  onSend: (text: string) => void
  onClose: () => void
}

function Composer({ onSend, onClose }: ComposerProps) {
  const [text, setText] = useState('')
  const field = useRef<HTMLTextAreaElement>(null)
  // On a phone the keyboard would cover what was written; there one taps.
  useEffect(() => {
    if (window.matchMedia('(hover: hover)').matches) field.current?.focus()
  }, [])

  function send(event?: FormEvent) {
    event?.preventDefault()
    const line = text.trim()
    if (!line) return
    onSend(line)
    setText('')
  }

  function press(event: KeyboardEvent) {
    if (event.key === 'Escape') onClose()
    if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) send(event)
  }

  return (
    <form onSubmit={send} className="flex shrink-0 items-end gap-2 border-t border-ink-800 p-3 pb-[max(0.75rem,env(safe-area-inset-bottom))]">
      <label htmlFor="chat-text" className="sr-only">
        Message to everybody
      </label>
      <textarea
        id="chat-text"
        ref={field}
        data-testid="chat-input"
        className="field field-sizing-content h-auto max-h-36 min-h-11 resize-none py-2.5 leading-snug"
        rows={1}
        value={text}
        maxLength={maxChatLength}
        placeholder="Write to everybody"
        enterKeyHint="send"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={press}
      />
      <button
        type="submit"
        data-testid="chat-send"
        aria-label="Send"
        disabled={!text.trim()}
        className="inline-flex size-11 shrink-0 items-center justify-center rounded-xl bg-lamp text-ink-950 transition-colors hover:bg-lamp-bright disabled:bg-ink-800 disabled:text-ink-400"
      >
        <Icon name="send" />
      </button>
    </form>
  )
}

function together(before: ChatLine | undefined, line: ChatLine): boolean {
  return before?.identity === line.identity && line.at - before.at < togetherMs
}
