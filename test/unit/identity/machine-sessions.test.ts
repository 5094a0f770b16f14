import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { issuerKeys } from '#identity/issuer-keys.ts'
import { type MachineIssuer, openMachineSessions } from '#identity/machine-sessions.ts'
import { createLog } from '#observe/log.ts'
import { fakeClock } from '#test/support/fake-clock.ts'
import { leapingClock } from '#test/support/leaping-clock.ts'
import { memoryLines } from '#test/support/memory-lines.ts'

const issuer = 'https://kubernetes.default.svc.cluster.local'
const subject = 'system:serviceaccount:ci:bot'
const audience = 'gatehouse'

interface Options {
  readonly review?: () => Promise<boolean>
  readonly isCluster?: boolean
  readonly subjects?: readonly string[]
}

async function machineWorld(options: Options = {}) {
  const clock = fakeClock()
  const date = leapingClock(clock)
  const lines = memoryLines()
  const log = createLog({ level: 'debug', clock, sink: lines })
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }
  const locked = new Set<string>()
  const machine: MachineIssuer = {
    ...{ issuer, audience, usernamePrefix: '' },
    subjects: options.subjects ?? [subject],
    isCluster: options.isCluster ?? true,
    keys: issuerKeys({ load: async () => ({ keys: [jwk] }), clock: date }),
    ...(options.review ? { review: options.review } : {}),
  }
  const live = new Set<string>()
  const sessions = openMachineSessions({
    issuers: [machine],
    isLocked: (name) => locked.has(name),
    isLive: (name) => live.has(name),
    clock: date,
    log,
  })
  const now = () => Math.floor(clock.now() / 1000)
  return {
    clock,
    date,
    lines,
    locked,
    live,
    sessions,
    /** As the API server makes them, with whatever a test changes. */
    token(claims: object = {}, key: Parameters<SignJWT['sign']>[0] = privateKey): Promise<string> {
      const said = { namespace: 'ci', serviceaccount: { name: 'bot', uid: 'uid-of-bot' } }
      const all = { iss: issuer, aud: [audience], sub: subject, iat: now(), exp: now() + 3600, 'kubernetes.io': said }
      return new SignJWT({ ...all, ...claims }).setProtectedHeader({ alg: 'RS256', kid: 'one' }).sign(key)
    },
  }
}

const sessionOf = (kind: { kind: string }) => kind.kind

describe("a machine's token", () => {
  test('is a session under its own name, with the groups that Kubernetes gives it, until the token ends', async () => {
    const world = await machineWorld()
    const token = await world.token()
    expect(world.sessions.peek(token)).toBeUndefined()
    const answer = await world.sessions.resolve(token)
    expect(answer).toMatchObject({
      kind: 'session',
      session: {
        kind: 'machine',
        identity: {
          kind: 'machine',
          username: subject,
          uid: 'uid-of-bot',
          groups: ['system:serviceaccounts', 'system:serviceaccounts:ci', 'system:authenticated'],
        },
        notAfter: world.clock.now() + 3_600_000,
      },
    })
    expect(world.sessions.peek(token)).toEqual(answer)
  })

  test.for([
    ['another issuer', { iss: `${issuer}x` }],
    ['an issuer of other case', { iss: issuer.toUpperCase() }],
    ['an issuer with a slash more', { iss: `${issuer}/` }],
    ['another audience', { aud: ['gatehousf'] }],
    ['no audience', { aud: [] }],
    ['an audience that begins like ours', { aud: ['gatehouse2'] }],
    ['another subject', { sub: 'system:serviceaccount:ci:bou' }],
    [
      'a subject whose own claims say otherwise',
      { 'kubernetes.io': { namespace: 'ci', serviceaccount: { name: 'bou', uid: 'u' } } },
    ],
    [
      'a subject of another namespace by its own claims',
      { 'kubernetes.io': { namespace: 'cj', serviceaccount: { name: 'bot', uid: 'u' } } },
    ],
    ['a subject with no word of Kubernetes', { 'kubernetes.io': undefined }],
    ['no end', { exp: undefined }],
    ['its end in the past', { exp: Date.parse('2025-12-31T23:59:59Z') / 1000 }],
    ['its end at this very second', { exp: Date.parse('2026-01-01T00:00:00Z') / 1000 }],
    ['its beginning in the future', { nbf: Date.parse('2026-01-01T00:01:00Z') / 1000 }],
    ['having been made in the future', { iat: Date.parse('2026-01-01T00:01:00Z') / 1000 }],
  ] as const)('is refused for %s', async ([, claims]) => {
    const world = await machineWorld()
    expect(sessionOf(await world.sessions.resolve(await world.token(claims)))).toBe('anonymous')
  })

  test('is refused when a stranger has signed it, when it is cut, and when one character of it is another one', async () => {
    const world = await machineWorld()
    const stranger = await generateKeyPair('RS256')
    const token = await world.token()
    const [head = '', body = '', signature = ''] = token.split('.')
    const swapped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const forged = [
      await world.token({}, stranger.privateKey),
      `${head}.${body}.${swapped}`,
      `${head}.${body}.`,
      `${none}.${body}.`,
    ]
    for (const candidate of forged) expect(sessionOf(await world.sessions.resolve(candidate))).toBe('anonymous')
  })

  test('ends with its time, and whoever holds something open for it is told', async () => {
    const world = await machineWorld()
    const token = await world.token()
    await world.sessions.resolve(token)
    const ended: string[] = []
    using _listening = world.sessions.subscribe(({ session }) => void ended.push(session.identity.username))
    await world.clock.advance(3_599_000)
    expect(ended).toEqual([])
    await world.clock.advance(1_000)
    expect(ended).toEqual([subject])
    expect(await world.sessions.resolve(token)).toEqual({ kind: 'anonymous', reason: 'expired' })
  })

  test('of a locked name is refused at once, and lets in again when the name is unlocked', async () => {
    const world = await machineWorld()
    const token = await world.token()
    await world.sessions.resolve(token)
    world.locked.add(subject)
    expect(world.sessions.peek(token)).toEqual({ kind: 'anonymous', reason: 'locked' })
    expect(await world.sessions.resolve(token)).toEqual({ kind: 'anonymous', reason: 'locked' })
    world.locked.clear()
    expect(sessionOf(await world.sessions.resolve(token))).toBe('session')
  })

  test('of an issuer beside the cluster can have no name of Kubernetes', async () => {
    const world = await machineWorld({ isCluster: false })
    expect(sessionOf(await world.sessions.resolve(await world.token()))).toBe('anonymous')
    const robot = await machineWorld({ isCluster: false, subjects: ['robot'] })
    const answer = await robot.sessions.resolve(await robot.token({ sub: 'robot' }))
    expect(answer).toMatchObject({ session: { identity: { kind: 'machine', username: 'robot', groups: [] } } })
  })

  test('that the API server no longer knows is refused within a minute, and what it holds open ends', async () => {
    let isKnown = true
    const world = await machineWorld({ review: async () => isKnown })
    const token = await world.token()
    expect(sessionOf(await world.sessions.resolve(token))).toBe('session')
    const ended: string[] = []
    using _listening = world.sessions.subscribe(({ session }) => void ended.push(session.name))
    isKnown = false
    await world.clock.advance(60_000)
    expect(sessionOf(await world.sessions.resolve(token))).toBe('anonymous')
    expect(ended).toHaveLength(1)
  })

  test('that the API server no longer knows is refused within a minute, though the date was put back by an hour', async () => {
    let isKnown = true
    const world = await machineWorld({ review: async () => isKnown })
    const token = await world.token()
    expect(sessionOf(await world.sessions.resolve(token))).toBe('session')
    isKnown = false
    world.date.leap(-3_600_000)
    await world.clock.advance(60_000)
    expect(world.sessions.peek(token)).toBeUndefined()
    expect(sessionOf(await world.sessions.resolve(token))).toBe('anonymous')
  })

  test('that the API server no longer knows ends what it holds open within a minute, although it asks for nothing more', async () => {
    let isKnown = true
    const world = await machineWorld({ review: async () => isKnown })
    const answers = [
      await world.sessions.resolve(await world.token()),
      await world.sessions.resolve(await world.token({ jti: 'idle' })),
    ]
    const [live, idle] = answers.map((answer) => (answer.kind === 'session' ? answer.session.name : ''))
    world.live.add(live ?? '')
    const ended: string[] = []
    using _listening = world.sessions.subscribe(({ session }) => void ended.push(session.name))
    await world.clock.advance(10 * 60_000)
    expect(ended).toEqual([])
    isKnown = false
    await world.clock.advance(60_000)
    expect(ended).toEqual([live])
    expect(idle).not.toBe(live)
  })

  test('ends what it holds open when nobody could review it for five minutes, and not before', async () => {
    let isUp = true
    const review = async () => {
      if (!isUp) throw new Error('connect ECONNREFUSED')
      return true
    }
    const world = await machineWorld({ review })
    const answer = await world.sessions.resolve(await world.token())
    if (answer.kind !== 'session') throw new Error('it is no session')
    world.live.add(answer.session.name)
    let isEnded = false
    using _listening = world.sessions.subscribe(() => {
      isEnded = true
    })
    isUp = false
    await world.clock.advance(4 * 60_000 + 50_000)
    expect(isEnded).toBe(false)
    isUp = true
    await world.clock.advance(10_000)
    isUp = false
    await world.clock.advance(4 * 60_000)
    expect(isEnded).toBe(false)
    await world.clock.advance(2 * 60_000)
    expect(isEnded).toBe(true)
  })

  test('stands for five minutes while nobody can review it, and a new one does not', async () => {
    let isUp = true
    const review = async () => {
      if (!isUp) throw new Error('connect ECONNREFUSED')
      return true
    }
    const world = await machineWorld({ review })
    const token = await world.token()
    await world.sessions.resolve(token)
    isUp = false
    for (let minute = 1; minute < 5; minute += 1) {
      await world.clock.advance(60_000)
      expect(sessionOf(await world.sessions.resolve(token))).toBe('session')
    }
    expect(sessionOf(await world.sessions.resolve(await world.token({ jti: 'new' })))).toBe('unavailable')
    await world.clock.advance(60_000)
    expect(sessionOf(await world.sessions.resolve(token))).toBe('unavailable')
  })

  test('is in no line of the log', async () => {
    const world = await machineWorld()
    const [good, bad] = [await world.token(), await world.token({ sub: 'system:serviceaccount:ci:bou' })]
    await world.sessions.resolve(good)
    await world.sessions.resolve(bad)
    expect(world.lines.text).toContain('token_subject')
    for (const token of [good, bad]) expect(world.lines.text).not.toContain(token.split('.')[2])
  })
})
