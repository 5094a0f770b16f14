import { expect, test } from 'vitest'
import { kernelHead, kernelProtocol, kernelReplySight, kernelRequestSight } from '#activity/kernel-message.ts'

interface Written {
  readonly msg_type: string
  readonly channel?: string
  readonly content?: object
  /** Type of the message it answers. */
  readonly parent?: string
}

const header = (type: string) => ({
  date: '2026-01-01T00:00:00Z',
  msg_id: 'id',
  msg_type: type,
  session: 's',
  username: '',
})

/** As JupyterLab writes it: offsets, then channel, header, parent's header, metadata, content, buffers. */
function binary(
  { msg_type, channel = 'shell', content = {}, parent }: Written,
  buffers: readonly Buffer[] = [],
): Buffer {
  const parts = [
    Buffer.from(channel),
    ...[header(msg_type), parent === undefined ? {} : header(parent), {}, content].map((part) =>
      Buffer.from(JSON.stringify(part)),
    ),
    ...buffers,
  ]
  const offsets = [8 * (parts.length + 2)]
  for (const part of parts) offsets.push((offsets.at(-1) ?? 0) + part.length)
  const table = [offsets.length, ...offsets].map((offset) => {
    const field = Buffer.alloc(8)
    field.writeBigUInt64LE(BigInt(offset))
    return field
  })
  return Buffer.concat([...table, ...parts])
}

/** In the order that JupyterLab writes the members in. */
function json({ msg_type, channel = 'shell', content = {}, parent }: Written): Buffer {
  const parent_header = parent === undefined ? {} : header(parent)
  return Buffer.from(
    JSON.stringify({ buffers: [], channel, content, header: header(msg_type), metadata: {}, parent_header }),
  )
}

/** The JSON form with buffers: how many, where each begins, all big-endian. */
function jsonWithBuffers(written: Written, buffer: Buffer): Buffer {
  const text = json(written)
  const table = [2, 12, 12 + text.length].map((offset) => {
    const field = Buffer.alloc(4)
    field.writeUInt32BE(offset)
    return field
  })
  return Buffer.concat([...table, text, buffer])
}

const forms = [
  { name: 'binary', of: (written: Written) => ({ head: binary(written), isText: false, protocol: kernelProtocol }) },
  { name: 'JSON', of: (written: Written) => ({ head: json(written), isText: true, protocol: undefined }) },
  {
    name: 'JSON with buffers',
    of: (written: Written) => ({
      head: jsonWithBuffers(written, Buffer.from([1, 2])),
      isText: false,
      protocol: undefined,
    }),
  },
]

for (const { name, of } of forms) {
  test.each(['execute_request', 'complete_request', 'inspect_request', 'input_reply'])(
    `${name}: %s is a person’s doing`,
    (type) =>
      expect(kernelRequestSight(of({ msg_type: type }))).toMatchObject({
        class: 'interactive',
        source: `kernel:${type}`,
      }),
  )

  test.each(['kernel_info_request', 'comm_info_request', 'history_request', 'debug_request', 'comm_open'])(
    `${name}: %s is sent by programs`,
    (type) => expect(kernelRequestSight(of({ msg_type: type })).class).toBe('background'),
  )

  test(`${name}: what a widget sends, and what nobody knows, can’t be told; names of others are not repeated`, () => {
    expect(kernelRequestSight(of({ msg_type: 'comm_msg' }))).toEqual({ class: 'unknown', source: 'kernel:comm_msg' })
    expect(kernelRequestSight(of({ msg_type: '<b>new' }))).toEqual({ class: 'unknown', source: 'kernel:other' })
  })

  test(`${name}: a kernel is busy until it is idle, and waits where it asks for input`, () => {
    const reply = (msg_type: string, content = {}) => kernelReplySight(of({ msg_type, channel: 'iopub', content }))
    expect(reply('status', { execution_state: 'busy' })).toMatchObject({ class: 'busy', kernel: 'busy' })
    expect(reply('status', { execution_state: 'idle' })).toMatchObject({ class: 'background', kernel: 'idle' })
    expect(reply('status', { execution_state: 'starting' }).kernel).toBeUndefined()
    expect(reply('input_request', { prompt: '?' }).kernel).toBe('waiting')
    expect(kernelRequestSight(of({ msg_type: 'input_reply' })).kernel).toBe('busy')
  })

  test(`${name}: what a kernel is asked beside its work neither begins nor ends that; a kernel that is gone has ended it`, () => {
    const status = (execution_state: string, parent?: string) =>
      kernelReplySight(
        of({ msg_type: 'status', channel: 'iopub', content: { execution_state }, ...(parent ? { parent } : {}) }),
      )
    for (const parent of ['kernel_info_request', 'debug_request', 'usage_request']) {
      for (const state of ['busy', 'idle'])
        expect(status(state, parent)).toEqual({ class: 'background', source: 'kernel:housekeeping' })
    }
    expect(status('busy', 'execute_request').kernel).toBe('busy')
    for (const state of ['idle', 'restarting', 'dead']) expect(status(state, 'execute_request').kernel).toBe('idle')
    expect(status('autorestarting').kernel).toBe('idle')
  })

  test(`${name}: nothing that a kernel prints makes it busy or a person`, () => {
    const text = JSON.stringify({ header: { msg_type: 'status' }, content: { execution_state: 'busy' } })
    const content = { name: 'stdout', text, execution_state: 'busy' }
    expect(kernelReplySight(of({ msg_type: 'stream', channel: 'iopub', content }))).toEqual({
      class: 'background',
      source: 'kernel:output',
    })
  })
}

test('binary: the beginning of a message is enough, however long its code is', () => {
  const head = binary({ msg_type: 'execute_request', content: { code: 'x'.repeat(1_000_000) } }).subarray(0, kernelHead)
  expect(kernelRequestSight({ head, isText: false, protocol: kernelProtocol }).class).toBe('interactive')
})

test('what can’t be read counts as unknown from a person and as nothing from a kernel', () => {
  const tables = [[], [1, 0, 0], [6, 255, 255, 255, 255, 255, 255, 255, 255], Array.from({ length: 64 }, () => 255)]
  for (const bytes of tables) {
    for (const isText of [true, false]) {
      for (const protocol of [kernelProtocol, undefined]) {
        const message = { head: Buffer.from(bytes), isText, protocol }
        expect(kernelRequestSight(message)).toEqual({ class: 'unknown', source: 'kernel:unreadable' })
        expect(kernelReplySight(message)).toEqual({ class: 'background', source: 'kernel:output' })
      }
    }
  }
})
