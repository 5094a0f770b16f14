/**
 * What one replica says to another, ahead of the bytes of one connection: `gatehouse.peer.v1 INSTANCE PORT`, a line, and back `ok` or why not, a line as
 * well. Behind it both directions are that connection's own.
 */
import type { Duplex } from 'node:stream'

const greeting = 'gatehouse.peer.v1'
const askedPattern = /^gatehouse\.peer\.v1 ([\w.-]{1,128}) ([1-9][0-9]{0,4})$/

export interface PeerAsked {
  readonly instance: string
  readonly port: number
}

export type PeerAnswer = 'ok' | 'shut' | 'away' | 'failed'

const answers: ReadonlySet<string> = new Set<PeerAnswer>(['ok', 'shut', 'away', 'failed'])

export function sayAsked({ instance, port }: PeerAsked): string {
  return `${greeting} ${instance} ${port}\n`
}

export function readAsked(line: string): PeerAsked | undefined {
  const [, instance = '', port = ''] = askedPattern.exec(line) ?? []
  return instance === '' || Number(port) > 65_535 ? undefined : { instance, port: Number(port) }
}

export function sayAnswer(answer: PeerAnswer): string {
  return `${answer}\n`
}

export function isAnswer(line: string): line is PeerAnswer {
  return answers.has(line)
}

const longestLine = 256

/** One line, and not a byte behind it. Rejects when it ends or breaks before. */
export function readLine(socket: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = ''
    const leave = () => socket.off('readable', onReadable).off('close', onGone).off('end', onGone).off('error', onGone)
    const fail = (reason: string) => {
      leave()
      reject(new Error(reason))
    }
    const onGone = () => fail('the connection has ended')
    const onReadable = () => {
      for (let byte: Buffer | null = socket.read(1); byte !== null; byte = socket.read(1)) {
        if (byte[0] === 0x0a) {
          leave()
          resolve(line)
          return
        }
        line += byte.toString('latin1')
        if (line.length > longestLine) return fail('a line that has no end')
      }
    }
    socket.on('readable', onReadable).once('close', onGone).once('end', onGone).once('error', onGone)
  })
}
