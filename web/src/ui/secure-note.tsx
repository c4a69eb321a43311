import { useEffect, useState } from 'react'
import { getConfig } from '../api'
import { Banner } from './message'

/**
 * On a page that is not secure (http on a host that is not this machine),
 * browsers give no camera and microphone: says so and leads to the https
 * address, if the server has one.
 */
export function SecureNote({ path }: { path: string }) {
  const [port, setPort] = useState(0)
  const secure = window.isSecureContext
  useEffect(() => {
    if (secure) return
    getConfig().then(
      (config) => setPort(config.https_port),
      () => setPort(0),
    )
  }, [secure])
  if (secure) return null
  const address = `https://${location.hostname}${port === 443 ? '' : `:${port}`}${path}`
  return (
    <Banner kind="insecure">
      <span>This address is not secure, so the browser keeps camera and microphone away.</span>
      {port > 0 && (
        <a href={address} data-testid="secure-link" className="underline underline-offset-4 hover:text-paper">
          Open {address.replace(/\/$/, '')}
        </a>
      )}
    </Banner>
  )
}
