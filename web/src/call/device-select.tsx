import { useId } from 'react'
import type { MediaKind } from '../lib/errors'
import { Icon, type IconName } from '../ui/icons'

type DeviceKind = Exclude<MediaKind, 'screen'>

const icons: Record<DeviceKind, IconName> = { camera: 'camera', microphone: 'mic', speaker: 'speaker' }
const labels: Record<DeviceKind, string> = { camera: 'Camera', microphone: 'Microphone', speaker: 'Speaker' }

interface DeviceSelectProps {
  kind: DeviceKind
  devices: MediaDeviceInfo[]
  value: string | undefined
  onChange: (id: string) => void
}

/** Chooses a device; nothing is shown where there is nothing to choose from. */
export function DeviceSelect({ kind, devices, value, onChange }: DeviceSelectProps) {
  const id = useId()
  if (devices.length === 0) return null
  const known = devices.some((device) => device.deviceId === value)
  return (
    <div className="relative">
      <label htmlFor={id} className="sr-only">
        {labels[kind]}
      </label>
      <Icon name={icons[kind]} className="pointer-events-none absolute top-3 left-3.5 size-5 text-ink-400" />
      <select
        id={id}
        data-testid={`select-${kind}`}
        className="field h-11 appearance-none truncate pr-9 pl-11 text-sm"
        value={known ? value : devices[0]?.deviceId}
        onChange={(event) => onChange(event.target.value)}
      >
        {devices.map((device, index) => (
          <option key={device.deviceId} value={device.deviceId}>
            {device.label || `${labels[kind]} ${index + 1}`}
          </option>
        ))}
      </select>
      <Icon name="down" className="pointer-events-none absolute top-3.5 right-3.5 size-4 text-ink-400" />
    </div>
  )
}
