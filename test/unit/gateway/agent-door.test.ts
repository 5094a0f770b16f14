import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { GatewayError } from '#errors.ts'
import { AgentDoor } from '#gateway/agent-door.ts'
import type { RequestHead } from '#http/request-head.ts'
import { RateLimiter } from '#lib/rate-limiter.ts'
import { linkProtocol } from '#link/frames.ts'
import { LinkVisits } from '#link/link-visits.ts'
import { Links } from '#link/links.ts'
import type { AuditEvent } from '#observe/audit.ts'
import { createLog } from '#observe/log.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { instance, workspace } from '#test/support/objects.ts'
import { Directory } from '#workspace/directory.ts'
import { linkRoom } from '#workspace/link-holders.ts'
import type { Taken } from '#workspace/slots.ts'

const head: RequestHead = {
  ...{
    kind: 'head',
    httpVersion: '1.1',
    host: 'ws.example.com',
    authorization: 'Bearer a.token',
    connection: ['upgrade'],
  },
  ...{ upgrade: 'websocket', secWebSocketKey: 'dGhlIHNhbXBsZSBub25jZQ==', secWebSocketVersion: '13' },
  ...{ cookie: undefined, origin: undefined, accept: undefined, userAgent: undefined, expect: undefined },
  ...{ secFetchSite: undefined, secFetchMode: undefined, secFetchDest: undefined, secFetchUser: undefined },
  ...{ xRequestedWith: undefined, xForwardedFor: undefined, contentLength: undefined, isChunked: false },
}

/** What is answered to the agent of a pod that runs, and what is written of it. */
async function knock(takePlace: (pod: string) => Promise<Taken>, said: readonly string[] = [], isToken = true) {
  const clock = fakeClock()
  const nb = workspace({ owner: 'alice' })
  const running = instance(nb)
  const directory = new Directory({ clock, serves: () => true, readinessOf: () => ({ kind: 'ready' }) })
  directory.applyWorkspaces({ type: 'synced', objects: [nb] })
  directory.applyInstances({ type: 'synced', instances: [running] })
  const audit: AuditEvent[] = []
  const links = new Links()
  const door = new AgentDoor({
    ...{
      directory,
      links,
      visits: new LinkVisits(clock),
      clock,
      takePlace,
      audience: 'https://ws.example.com/.gatehouse/agent',
      isFor: () => true,
    },
    replica: 'this-one',
    podTokens: {
      verify: async () =>
        isToken
          ? { kind: 'pod', namespace: 'team', uid: running.instanceUid }
          : { kind: 'refused', reason: 'token_audience' },
    },
    perPod: new RateLimiter({ most: 30, window: 60_000, clock }),
    audit: { record: (event) => void audit.push(event) },
    log: createLog({ level: 'info', clock, sink: memoryLines() }),
  })
  const socket = new Socket()
  const request = new IncomingMessage(socket)
  request.method = 'GET'
  request.rawHeaders = ['Sec-WebSocket-Protocol', linkProtocol, ...said]
  let status = 0
  const coming = { requestId: 'r', client: '192.0.2.1', request, head, socket, rest: Buffer.alloc(0) }
  await door.enter(coming, (problem) => {
    status = problem.status
  })
  socket.destroy()
  return { status, links: links.size, reasons: audit.map((event) => event.event === 'deny' && event.reason) }
}

test('an agent whose places are all taken is refused, and so is one whose places nobody knows; both are in the audit trail', async () => {
  const full = await knock(async (pod) => ({ kind: 'full', room: linkRoom(pod) }))
  expect(full).toEqual({ status: 429, links: 0, reasons: ['agent:full'] })
  const unknown = await knock(() => Promise.reject(new GatewayError('store_unavailable', 'nobody answers')))
  expect(unknown).toEqual({ status: 503, links: 0, reasons: ['agent:unavailable'] })
})

test('an agent that is at this replica and looks for another one gets no place and takes none from its own links; nothing was denied', async () => {
  let asked = 0
  const takePlace = async (pod: string): Promise<Taken> => {
    asked += 1
    return { kind: 'full', room: linkRoom(pod) }
  }
  const butNot = (replica: string) => knock(takePlace, ['Gatehouse-But-Not', replica])
  expect([await butNot('this-one'), asked]).toEqual([{ status: 409, links: 0, reasons: [] }, 0])
  expect([await butNot('another'), asked]).toEqual([{ status: 429, links: 0, reasons: ['agent:full'] }, 1])
  const stranger = await knock(takePlace, ['Gatehouse-But-Not', 'this-one'], false)
  expect(stranger).toEqual({ status: 401, links: 0, reasons: ['agent:token_audience'] })
})
