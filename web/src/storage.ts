// What this browser remembers between visits. A browser that refuses storage
// (private windows, strict settings) only forgets.

export interface Devices {
  camera?: string
  microphone?: string
  speaker?: string
}

export function recallName(): string {
  return read('fanlight.name') ?? ''
}

export function rememberName(name: string): void {
  write('fanlight.name', name)
}

export function recallDevices(): Devices {
  try {
    const value: unknown = JSON.parse(read('fanlight.devices') ?? '{}')
    if (typeof value !== 'object' || value === null) return {}
    const entries = Object.entries(value).filter(([, id]) => typeof id === 'string')
    return Object.fromEntries(entries)
  } catch {
    return {}
  }
}

export function rememberDevice(kind: keyof Devices, id: string): void {
  write('fanlight.devices', JSON.stringify({ ...recallDevices(), [kind]: id }))
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Nothing to do: it is only not remembered.
  }
}
