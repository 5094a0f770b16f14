/**
 * What one replica says to another, ahead of the bytes of one connection: `gatehouse.peer.v1 INSTANCE PORT`, a line, and back `ok` or why not, a line as
 * well. Behind it both directions are that connection's own. Of one that outlives it the line goes on with `AIM KEY PERSON`, in hexadecimal, and the answer is
 * `held AGE IDLE`, in milliseconds. Behind the answer to an `end` another line may come by the same connection.
 */
import type { Duplex } from 'node:stream'
import { type HeldFor, type HoldAim, type HoldWords, holdAims, keyLength, personLength } from '#resume/hold.ts'

const greeting = 'gatehouse.peer.v1'
const askedPattern = /^gatehouse\.peer\.v1 ([\w.-]{1,128}) ([1-9][0-9]{0,4})( .+)?$/

export interface PeerAsked {
  readonly instance: string
  readonly port: number
  /** Of a connection that outlives this one. */
  readonly hold?: HoldWords | undefined
}

export type PeerAnswer = 'ok' | 'shut' | 'away' | 'failed' | 'gone'

const answers: ReadonlySet<string> = new Set<PeerAnswer>(['ok', 'shut', 'away', 'failed', 'gone'])

export function sayAsked({ instance, port, hold }: PeerAsked): string {
  const words = hold ? ` ${hold.aim} ${hold.key.toString('hex')} ${hold.person.toString('hex')}` : ''
  return `${greeting} ${instance} ${port}${words}\n`
}

export function readAsked(line: string): PeerAsked | undefined {
  const [, instance = '', port = '', words] = askedPattern.exec(line) ?? []
  if (instance === '' || Number(port) > 65_535) return undefined
  const asked = { instance, port: Number(port) }
  if (words === undefined) return asked
  const hold = readHold(words)
  return hold && { ...asked, hold }
}

const holdPattern = new RegExp(
  `^ (${holdAims.join('|')}) ([0-9a-f]{${2 * keyLength}}) ([0-9a-f]{${2 * personLength}})$`,
)

function readHold(words: string): HoldWords | undefined {
  const [, aim, key = '', person = ''] = holdPattern.exec(words) ?? []
  const known = holdAims.find((one): one is HoldAim => one === aim)
  return known && { aim: known, key: Buffer.from(key, 'hex'), person: Buffer.from(person, 'hex') }
}

export function sayHeld({ age, idle }: HeldFor): string {
  return `held ${Math.round(age)} ${Math.round(idle)}\n`
}

/** `undefined`: it is another answer. */
export function readHeld(line: string): HeldFor | undefined {
  const [, age, idle] = /^held ([0-9]{1,10}) ([0-9]{1,10})$/.exec(line) ?? []
  return age === undefined ? undefined : { age: Number(age), idle: Number(idle) }
}

export function sayAnswer(answer: PeerAnswer): string {
  return `${answer}\n`
}

export function isAnswer(line: string): line is PeerAnswer {
  return answers.has(line)
}

const longestLine = 384

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
