// The cameras, microphones and speakers of this machine.

import { supportsAudioOutputSelection } from 'livekit-client'
import { useEffect, useState } from 'react'

export interface DeviceList {
  camera: MediaDeviceInfo[]
  microphone: MediaDeviceInfo[]
  /** Empty where the browser does not let a page choose. */
  speaker: MediaDeviceInfo[]
}

const none: DeviceList = { camera: [], microphone: [], speaker: [] }

/** Lists the devices again when one comes or goes, and when `moment` changes (a permission was given). */
export function useDevices(moment: unknown): DeviceList {
  const [list, setList] = useState(none)
  useEffect(() => {
    const media = navigator.mediaDevices as MediaDevices | undefined
    if (!media) return
    let current = true
    const read = async () => {
      const all = await media.enumerateDevices().catch(() => [])
      if (current) setList(sort(all))
    }
    void read()
    media.addEventListener('devicechange', read)
    return () => {
      current = false
      media.removeEventListener('devicechange', read)
    }
    // oxlint-disable-next-line react/exhaustive-effect-dependencies
  }, [moment])
  return list
}

function sort(all: MediaDeviceInfo[]): DeviceList {
  // Before the permission is given, browsers list devices without an id.
  const of = (kind: MediaDeviceKind) => all.filter((device) => device.kind === kind && device.deviceId !== '')
  return {
    camera: of('videoinput'),
    microphone: of('audioinput'),
    speaker: supportsAudioOutputSelection() ? of('audiooutput') : [],
  }
}

/** Whether the page may ask for camera and microphone at all (secure pages only). */
export function mediaAvailable(): boolean {
  return Boolean((navigator.mediaDevices as MediaDevices | undefined)?.getUserMedia)
}

export function screenShareAvailable(): boolean {
  return 'getDisplayMedia' in ((navigator.mediaDevices as MediaDevices | undefined) ?? {})
}
