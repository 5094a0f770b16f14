/** Names, addresses and user agents that are written to be read in a log: lines stay lines, short and without terminal escapes (CVE-2026-54338, CVE-2025-25294). */
import { describe, expect, test } from 'vitest'
import { systemClock } from '#lib/clock.ts'
import { createAudit } from '#observe/audit.ts'
import { createLog } from '#observe/log.ts'
import { memoryLines } from '#test/support/memory-lines.ts'
import { requestText, useTenants } from '#test/support/tenants.ts'

const megabyte = 1024 ** 2
const escapes = '\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e'
const forged = '\r\n{"level":"info","event":"login","user":"admin"}\r\n'
const longestLine = 16_384

/** Whatever is in them: one object a line, nothing that a terminal acts on, no line that nobody wrote. */
function expectClean(lines: readonly string[]): void {
  for (const line of lines) {
    expect(line.length).toBeLessThan(longestLine)
    expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
    expect(line.endsWith('\n')).toBe(true)
    const parsed: unknown = JSON.parse(line)
    expect(parsed).not.toMatchObject({ event: 'login', user: 'admin' })
  }
}

describe.each(['host', 'path'] as const)('in %s mode', (mode) => {
  const tenants = useTenants({ mode })

  test('#88 a target, host or user agent of a megabyte is refused, and no line is longer for it', async () => {
    const { a, attack, world } = tenants()
    const { cookie, authority: host, prefix } = a
    const long = 'x'.repeat(megabyte)
    const from = world.lines.length
    for (const [request, statuses] of [
      [{ target: `${prefix}${long}`, host, cookie }, [414]],
      [{ target: `${prefix}?${long}`, host, cookie }, [414]],
      [{ target: prefix, host, cookie, fields: ['User-Agent', long] }, [431]],
      [{ target: prefix, host, cookie: `a=${long}` }, [431]],
      [{ target: prefix, host: `${long}.example` }, [431]],
      [{ target: prefix, host, cookie, fields: [long, 'x'] }, [431]],
      [{ method: long, target: prefix, host, cookie }, [400, 414, 431]],
    ] as const) {
      const outcome = await attack(requestText(request))
      expect(statuses).toContain(outcome.status)
      expect(outcome).toMatchObject({ upstreamBytes: 0, reasons: [expect.any(String)] })
    }
    expectClean(world.lines.slice(from))
  })

  test('#88 line ends and escapes in whatever a client can choose stay out of the log, or are spelled out', async () => {
    const { a, ask, attack, world } = tenants()
    const { cookie, authority: host, prefix } = a
    const from = world.lines.length
    const raw = Buffer.from(escapes).toString('latin1')
    const encoded = encodeURIComponent(forged + escapes)
    for (const bytes of [
      requestText({ target: `${prefix}${encoded}`, host }),
      requestText({ target: `${prefix}?${encoded}`, host }),
      requestText({ target: `/.gatehouse/${encoded}`, host: `localhost:${world.port}` }),
      requestText({ target: `/workspaces/team/${encoded}/`, host }),
      requestText({ target: prefix, host, fields: ['User-Agent', `x${raw}`] }),
      requestText({ target: prefix, host, fields: ['User-Agent', `x${forged}`] }),
      requestText({ target: prefix, host: `x${raw}.example` }),
      requestText({ target: prefix, host, fields: ['X-Forwarded-For', `${raw}`] }),
      requestText({ target: prefix, host, fields: ['Origin', `http://x${raw}`] }),
      requestText({ target: prefix, host, cookie: `x=${raw}` }),
    ]) {
      expect((await attack(bytes)).upstreamBytes).toBe(0)
    }
    expect((await ask(requestText({ target: `${prefix}?${encoded}`, host, cookie }))).status).toBe(200)
    expectClean(world.lines.slice(from))
  })
})

test('#88 a name of a megabyte, or with line ends and escapes, is cut and spelled out wherever it is written', () => {
  const lines = memoryLines()
  const log = createLog({ level: 'debug', clock: systemClock, sink: lines })
  using audit = createAudit({ sink: lines, clock: systemClock })
  for (const name of [
    'x'.repeat(megabyte),
    `eve${forged}`,
    `eve${escapes}`,
    `${escapes}${'\u001b[0m'.repeat(megabyte / 4)}`,
  ]) {
    const actor = { user: name, session: 's', requestId: name, client: name }
    log.warn({ user: name, host: name, path: name, method: name, reason: name, error: new Error(name) }, name)
    audit.record({ event: 'deny', ...actor, workspace: name, port: 1, reason: name })
    audit.record({ event: 'login', ...actor, issuer: name, kind: 'browser' })
    audit.record({
      event: 'share-created',
      ...actor,
      workspace: name,
      share: name,
      grantees: [name, name],
      access: name,
      ports: [name],
      connectionTypes: [name],
      expiresAt: 0,
    })
  }
  const written = lines.text.split('\n').slice(0, -1)
  expect(written).toHaveLength(16)
  for (const line of written) {
    expect(line.length).toBeLessThan(longestLine)
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u)
    expect(() => JSON.parse(line)).not.toThrow()
  }
})
