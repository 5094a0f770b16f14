/**
 * Thousands of clients as a process of their own, so that what they cost is not taken for somebody else's latency. Whoever started it asks for things by
 * messages, see `crowds.ts`.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { CrowdAnswer, CrowdOrder } from './crowds.ts'
import { shakeHands } from './sockets.ts'

const open = new Set<Socket>()
let isDripping = false
let dripsCut = 0

/** All at once: nobody waits for anybody. */
async function storm({ handshake, count }: Extract<CrowdOrder, { kind: 'storm' }>): Promise<CrowdAnswer> {
  const began = performance.now()
  const statuses: Record<string, number> = {}
  const one = async () => {
    const outcome = await shakeHands(handshake).catch(() => undefined)
    const status = String(outcome?.status ?? 'broken')
    statuses[status] = (statuses[status] ?? 0) + 1
    if (!outcome) return
    const { socket } = outcome
    if (status !== '101') {
      socket.destroy()
      return
    }
    open.add(socket.resume())
    socket.once('end', () => socket.end())
    socket.once('close', () => open.delete(socket))
  }
  await Promise.all(Array.from({ length: count }, one))
  return { statuses, took: performance.now() - began, open: open.size }
}

/** Refused ones, so many at a time. */
async function refused({ handshake, count }: Extract<CrowdOrder, { kind: 'refused' }>): Promise<CrowdAnswer> {
  const began = performance.now()
  const statuses: Record<string, number> = {}
  const remaining = Array.from({ length: count }).values()
  const worker = async () => {
    for (const _ of remaining) {
      const outcome = await shakeHands(handshake).catch(() => undefined)
      const status = String(outcome?.status ?? 'broken')
      statuses[status] = (statuses[status] ?? 0) + 1
      outcome?.socket.destroy()
    }
  }
  await Promise.all(Array.from({ length: 32 }, worker))
  return { statuses, took: performance.now() - began, open: open.size }
}

/** A header that never comes to its end, a byte a second; who is sent away comes back at once. */
function drip(port: number): void {
  const socket = connect(port, '127.0.0.1')
  open.add(socket)
  socket.on('error', () => undefined)
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ')
  const timer = setInterval(() => socket.write('x'), 1000)
  socket.resume()
  socket.once('close', () => {
    clearInterval(timer)
    open.delete(socket)
    if (!isDripping) return
    dripsCut += 1
    setTimeout(drip, 100, port)
  })
}

async function slowloris({ port, count }: Extract<CrowdOrder, { kind: 'slowloris' }>): Promise<CrowdAnswer> {
  isDripping = true
  const began = performance.now()
  for (let index = 0; index < count; index += 1) {
    drip(port)
    if (index % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { statuses: {}, took: performance.now() - began, open: open.size }
}

/** One request, read to the head of its answer. */
async function idler({ port, request }: Extract<CrowdOrder, { kind: 'idle' }>): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  open.add(socket)
  socket.on('error', () => undefined)
  socket.once('close', () => open.delete(socket))
  socket.write(request)
  const head = await once(socket, 'data').then(
    ([piece]) => String(piece),
    () => 'broken',
  )
  socket.resume().once('end', () => socket.end())
  return head.slice(9, 12)
}

/** All at once, as far as the machine takes them. */
async function idle(order: Extract<CrowdOrder, { kind: 'idle' }>): Promise<CrowdAnswer> {
  const began = performance.now()
  const statuses: Record<string, number> = {}
  const remaining = Array.from({ length: order.count }).values()
  const worker = async () => {
    for (const _ of remaining) {
      const status = await idler(order)
      statuses[status] = (statuses[status] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: 64 }, worker))
  return { statuses, took: performance.now() - began, open: open.size }
}

async function leave(): Promise<CrowdAnswer> {
  isDripping = false
  const statuses = { cut: dripsCut }
  for (const socket of open) socket.destroy()
  dripsCut = 0
  return { statuses, took: 0, open: open.size }
}

function carryOut(order: CrowdOrder): Promise<CrowdAnswer> {
  switch (order.kind) {
    case 'storm':
      return storm(order)
    case 'refused':
      return refused(order)
    case 'slowloris':
      return slowloris(order)
    case 'idle':
      return idle(order)
    case 'count':
      return Promise.resolve({ statuses: { cut: dripsCut }, took: 0, open: open.size })
    case 'leave':
      return leave()
  }
}

process.on('message', ({ id, order }: { id: number; order: CrowdOrder }) => {
  carryOut(order).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
process.once('disconnect', () => process.exit(0))
