/**
 * Messages between JupyterLab and a kernel (Jupyter messaging protocol 5.4), by their type alone: what a person asked for, what programs ask
 * by themselves when a tab is opened, reloaded or shown, and whether the kernel works. Both forms on the wire are read: the binary one of the subprotocol
 * `v1.kernel.websocket.jupyter.org`, and the JSON one before it.
 */
import { type MemberPath, stringsOf } from './json-head.ts'
import { type Sight, sight } from './sight.ts'

export const kernelProtocol = 'v1.kernel.websocket.jupyter.org'

/** Bytes of a message that are enough to read its types: the offsets, two headers and the beginning of a status. */
export const kernelHead = 2_048

/** What a kernel does: `waiting` for somebody who is asked for input, which is no work. */
export type KernelState = 'busy' | 'idle' | 'waiting'

export interface KernelSight extends Sight {
  /** Absent where the message says nothing of it. */
  readonly kernel?: KernelState
}

interface KernelHead {
  readonly type: string | undefined
  readonly executionState: string | undefined
  /** Type of the message that this one answers. */
  readonly parentType: string | undefined
}

const gestures: ReadonlySet<string> = new Set(['execute_request', 'complete_request', 'inspect_request', 'input_reply'])
/** Sent when a tab is opened, reloaded or shown, by nobody (jupyter_server #1360, notebook #2526). */
const housekeeping: ReadonlySet<string> = new Set([
  ...['kernel_info_request', 'comm_info_request', 'history_request', 'is_complete_request', 'debug_request'],
  ...['connect_request', 'comm_open', 'comm_close', 'shutdown_request', 'subshell_list_request'],
  ...['create_subshell_request', 'delete_subshell_request', 'list_subshell_request', 'interrupt_request'],
  // How much memory it uses, which the server asks on behalf of a status bar.
  'usage_request',
])
/** Of a kernel that has nothing under way any more. */
const ended: ReadonlySet<string | undefined> = new Set(['idle', 'restarting', 'autorestarting', 'dead', 'terminating'])

export interface KernelMessage {
  /** The beginning of it, {@link kernelHead} bytes or all. */
  readonly head: Buffer
  readonly isText: boolean
  /** The one that was agreed upon in the handshake. */
  readonly protocol: string | undefined
}

/** Of what a browser sent. */
export function kernelRequestSight(message: KernelMessage): KernelSight {
  const { type } = readHead(message)
  if (type === undefined) return sight('unknown', 'kernel:unreadable')
  const source = `kernel:${type}`
  // After an answer the kernel goes on with what it was doing.
  if (type === 'input_reply') return { ...sight('interactive', source), kernel: 'busy' }
  if (gestures.has(type)) return sight('interactive', source)
  // Widgets send these when they are moved, and some by a timer.
  if (type === 'comm_msg') return sight('unknown', source)
  return housekeeping.has(type) ? sight('background', source) : sight('unknown', 'kernel:other')
}

/** Of what a kernel sent: nothing of it is a person's doing. */
export function kernelReplySight(message: KernelMessage): KernelSight {
  const { type, executionState, parentType } = readHead(message)
  if (type === 'input_request') return waits
  if (type !== 'status') return output
  // What is asked of it beside its work neither begins nor ends that.
  if (parentType !== undefined && housekeeping.has(parentType)) return beside
  if (executionState === 'busy') return works
  return ended.has(executionState) ? rests : output
}

const waits: KernelSight = { ...sight('background', 'kernel:input_request'), kernel: 'waiting' }
const works: KernelSight = { ...sight('busy', 'kernel:busy'), kernel: 'busy' }
const rests: KernelSight = { ...sight('background', 'kernel:idle'), kernel: 'idle' }
const beside = sight('background', 'kernel:housekeeping')
const output = sight('background', 'kernel:output')

function readHead({ head, isText, protocol }: KernelMessage): KernelHead {
  if (isText) return readJson(head.toString())
  if (protocol === kernelProtocol) return readParts(head)
  // Of the form with buffers: how many parts, where each begins, all in 32 bits; the first part is the JSON text.
  const begin = head.length >= 8 ? head.readUInt32BE(4) : head.length
  return readJson(head.toString('utf8', begin))
}

const jsonMembers: ReadonlySet<MemberPath> = new Set([
  'header.msg_type',
  'content.execution_state',
  'parent_header.msg_type',
])

function readJson(text: string): KernelHead {
  const found = stringsOf(text, jsonMembers)
  return {
    type: found.get('header.msg_type'),
    executionState: found.get('content.execution_state'),
    parentType: found.get('parent_header.msg_type'),
  }
}

const typeMember = Buffer.from('"msg_type"')
const stateMember = Buffer.from('"execution_state"')
/** Of the parts: channel, header, parent's header, metadata, content. */
const headerPart = 1
const parentPart = 2
const contentPart = 4
/** A message has these five; each further one is a buffer. An offset for where each begins, and one for where all ends. */
const fewestOffsets = 6

/** How many offsets, the offsets from the beginning of the message, then the parts; all little-endian in 64 bits. */
function readParts(head: Buffer): KernelHead {
  const type = memberOf(head, headerPart, typeMember)
  if (type !== 'status') return { type, executionState: undefined, parentType: undefined }
  return {
    type,
    executionState: memberOf(head, contentPart, stateMember),
    parentType: memberOf(head, parentPart, typeMember),
  }
}

/**
 * The text of this member of a part, which is looked for and not parsed: most messages are lines that a kernel prints, by the thousand. In JSON the
 * quotes of a key stand nowhere else than around a key, unless the first one is escaped.
 */
function memberOf(head: Buffer, part: number, member: Buffer): string | undefined {
  const table = 8 * (1 + part)
  if (head.length < table + 16 || numberAt(head, 0) < fewestOffsets) return undefined
  const [begin, end] = [numberAt(head, table), Math.min(numberAt(head, table + 8), head.length)]
  if (begin > end) return undefined
  const key = head.indexOf(member, begin)
  if (key <= begin || head[key - 1] === backslash) return undefined
  const opening = skip(head, key + member.length, colon)
  if (head[opening] !== quote) return undefined
  const closing = head.indexOf(quote, opening + 1)
  return closing === -1 || closing >= end ? undefined : head.toString('latin1', opening + 1, closing)
}

const quote = 0x22
const colon = 0x3a
const backslash = 0x5c
const space = 0x20

/** Where something else begins behind this letter and the spaces around it. */
function skip(head: Buffer, from: number, letter: number): number {
  let at = from
  while (head[at] === space || head[at] === letter) at += 1
  return at
}

/** Exact as far as any offset may reach. */
function numberAt(head: Buffer, at: number): number {
  return head.readUInt32LE(at) + head.readUInt32LE(at + 4) * 0x1_0000_0000
}
