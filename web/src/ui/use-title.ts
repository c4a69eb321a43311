import { useEffect } from 'react'

/** Sets the document's title: "abc-defg-hij – Fanlight", or "Fanlight" alone. */
export function useTitle(title?: string): void {
  useEffect(() => {
    document.title = title ? `${title} – Fanlight` : 'Fanlight'
  }, [title])
}
