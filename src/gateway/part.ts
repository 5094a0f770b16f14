/** How a group of streams says in its key which port it leads to, and by which kind of connection. */
import { webUi } from '#workspace/connections.ts'

export interface Part {
  readonly port: number
  readonly connectionType: string
}

export function partOf({ port, connectionType }: Part): string {
  return connectionType === webUi ? String(port) : `${port} ${connectionType}`
}

export function readPart(text: string): Part {
  const [port, connectionType = webUi] = text.split(' ')
  return { port: Number(port), connectionType }
}
