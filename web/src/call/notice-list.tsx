import type { Notices } from '../session/notices'
import { useStore } from '../session/store'
import { Icon } from '../ui/icons'
import { Problem } from '../ui/message'

/** Short messages over the room. */
export function NoticeList({ notices }: { notices: Notices }) {
  const list = useStore(notices.store)
  return (
    <div aria-live="polite" className="pointer-events-none absolute inset-x-3 top-3 z-30 flex flex-col items-center gap-2">
      {list.map((notice) =>
        notice.kind === 'news' ? (
          <p
            key={notice.id}
            data-testid="news"
            className="animate-rise rounded-full border border-ink-700 bg-ink-850/95 px-4 py-1.5 text-sm text-ink-100 shadow-lg"
          >
            {notice.title}
          </p>
        ) : (
          <div key={notice.id} className="pointer-events-auto relative w-full max-w-md">
            <Problem words={notice} className="pr-12 shadow-xl" />
            <button
              type="button"
              data-testid="dismiss"
              aria-label="Dismiss"
              onClick={() => notices.dismiss(notice.id)}
              className="absolute top-2.5 right-2.5 inline-flex size-8 items-center justify-center rounded-lg text-ink-300 hover:bg-white/10 hover:text-paper"
            >
              <Icon name="close" className="size-4.5" />
            </button>
          </div>
        ),
      )}
    </div>
  )
}
