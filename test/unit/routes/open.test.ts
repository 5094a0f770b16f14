import { describe, expect, test } from 'vitest'
import type { WorkspaceView } from '#surface/messages.ts'
import { api, openPath } from '#surface/urls.ts'
import { alice, fakeSurface, navigation, ownFetch, portView, workspaceView } from './fake-surface.ts'

const ref = { namespace: 'alice', name: 'notebook' }
const onlyOpen = { open: true, start: false, stop: false, share: false, logs: false }

async function opened(view: Partial<WorkspaceView>, query = '', log?: readonly string[]) {
  await using fake = await fakeSurface({
    viewWorkspace: () => workspaceView(view),
    readLogs: () => ({ ok: true, value: log ?? ['a line of the log'] }),
  })
  return fake.app.inject({ url: openPath(ref) + query, headers: { ...alice, ...navigation } })
}

describe('the page of a workspace', () => {
  test('that is stopped starts it by one click, remembers the deep link, and looks again where no script runs', async () => {
    const { body } = await opened({ state: 'Stopped', can: { ...onlyOpen, start: true } }, '?to=%2Flab%2Ftree%3Fa%3D1')
    expect(body).toContain(`<form method="post" action="${api.start(ref)}"`)
    expect(body).toContain('<input type="hidden" name="to" value="/lab/tree?a=1">')
    expect(body).toContain('It is stopped.')
    expect(body).toContain('<noscript><meta http-equiv="refresh" content="10"></noscript>')
  })

  test('that is stopped says so to who may not start it, and whom to ask', async () => {
    const { body } = await opened({ state: 'Stopped', can: onlyOpen, owner: 'carol', mine: false })
    expect(body).toContain('It is stopped, and you may not start it: ask carol.')
    expect(body).not.toContain('method="post" action="/.gatehouse/api')
  })

  test('that starts shows its steps, and asks again by itself where no script runs', async () => {
    const steps = [
      { at: '2026-01-01T08:00:01Z', kind: 'normal', reason: 'Pulling', message: 'Pulling image' },
      {
        at: '2026-01-01T08:00:02Z',
        kind: 'warning',
        reason: 'FailedScheduling',
        message: 'volume node affinity conflict',
      },
    ] as const
    const { body } = await opened({
      state: 'Starting',
      message: 'It waits.',
      steps,
      ports: [portView({ ready: false })],
    })
    expect(body).toMatch(
      /<code>Pulling<\/code>[\s\S]*Pulling image[\s\S]*class="warning"[\s\S]*volume node affinity conflict/,
    )
    expect(body).toContain('<noscript><meta http-equiv="refresh" content="3"></noscript>')
    expect(body).toContain(`data-events="${api.events(ref)}"`)
    expect(body).not.toContain('data-go')
  })

  test('that starts and only goes well is told by its steps alone', async () => {
    const steps = [
      { at: '2026-01-01T08:00:01Z', kind: 'normal', reason: 'Pulled', message: 'Its image is here' },
    ] as const
    const well = { state: 'Starting', reason: 'ComputeNotReady', message: 'It is on its way.' } as const
    const told = await opened({ ...well, steps })
    expect(told.body).toContain('Its image is here')
    expect(told.body).not.toContain('It is on its way.')
    expect((await opened({ ...well, steps: [] })).body).toContain('It is on its way.')
  })

  test('that waits for something says so once, with the reason to look it up by', async () => {
    const message = '0/3 nodes are available'
    const steps = [{ at: '2026-01-01T08:00:01Z', kind: 'warning', reason: 'FailedScheduling', message }] as const
    const waiting = { state: 'Starting', reason: 'Unschedulable', message: `No machine: ${message}` } as const
    const { body } = await opened({ ...waiting, steps })
    expect(body.match(/nodes are available/g)).toHaveLength(1)
    expect(body).toContain('<code>Unschedulable</code>')
    const usual = await opened({ ...waiting, reason: 'AccessNotReady' })
    expect(usual.body).not.toContain('<code>AccessNotReady</code>')
  })

  test('that runs, on a port that does not answer yet, waits for that port', async () => {
    const ports = [portView(), portView({ name: 'app', label: 'Dashboard', port: 8050, ready: false })]
    const { body } = await opened({ ports }, '?port=8050')
    expect(body).toContain('It runs; waiting for Dashboard to answer.')
    expect(body).not.toContain('data-go')
  })

  test('that is ready leads to the deep link, by script or without', async () => {
    const { body } = await opened({}, '?to=%2Flab%2Ftree%3Fa%3D1%26b%3D%252F')
    const target = `${portView().url}lab/tree?a=1&amp;b=%2F`
    expect(body).toContain(`data-go="${target}"`)
    expect(body).toContain(`<noscript><meta http-equiv="refresh" content="0;url=${target}"></noscript>`)
    expect(body).toContain(`href="${target}"`)
  })

  test.each(['//evil.test', '/../../x', '\\\\evil.test', 'https://evil.test/', '/\t/evil.test'])(
    'never leads to another place: %j',
    async (to) => {
      const { body } = await opened({}, `?to=${encodeURIComponent(to)}`)
      const go = /data-go="([^"]+)"/.exec(body)?.[1] ?? ''
      expect(new URL(go).origin).toBe(new URL(portView().url).origin)
    },
  )

  test('that failed says why, with the end of its log for those who may read it', async () => {
    const failed = { state: 'Degraded', reason: 'CrashLoopBackOff', message: 'It ended three times.' } as const
    const mine = await opened({ ...failed })
    expect(mine.body).toContain('It ended three times.')
    expect(mine.body).toContain('<code>CrashLoopBackOff</code>')
    expect(mine.body).toContain('a line of the log')
    const others = await opened({ ...failed, can: onlyOpen })
    expect(others.body).toContain('It ended three times.')
    expect(others.body).not.toContain('a line of the log')
  })

  test('whose program is not installed is no failure: it says how to install it, once', async () => {
    const message = 'Install it so.'
    const steps = [{ at: '2026-01-01T08:00:01Z', kind: 'warning', reason: 'NotInstalled', message }] as const
    const { body } = await opened({ state: 'Degraded', reason: 'NotInstalled', message, steps })
    expect(body).toContain('<span class="badge Missing">Not installed</span>')
    expect(body).toContain('It cannot run on this machine yet.')
    expect(body.match(/Install it so\./g)).toHaveLength(1)
    expect(body).not.toMatch(/class="[^"]*(Degraded|warning)/)
    expect(body).not.toContain('It does not work')
  })

  test.each([
    ['inactivity', 'unless somebody works in it or something runs'],
    ['lifetime', 'because it may run for no longer'],
  ] as const)('that ends soon for %s says so, and is kept by one click of those who may', async (because, why) => {
    const ends = { at: '2026-01-01T08:04:00Z', because, isNear: true, canKeep: true }
    // It takes its time, and whoever waits for it looks at nothing else.
    const waiting = { state: 'Running', ports: [portView({ ready: false })] } as const
    const form = `<form method="post" action="${api.keep(ref)}"`
    const hers = await opened({ ...waiting, ends })
    expect(hers.body).toContain(why)
    expect(hers.body).toContain(form)
    const others = await opened({ ...waiting, ends: { ...ends, canKeep: false }, can: onlyOpen })
    expect(others.body).toContain(why)
    expect(others.body).not.toContain(form)
    const later = await opened({ ...waiting, ends: { ...ends, isNear: false } })
    expect(later.body).not.toMatch(/It stops at|Keep /)
  })

  test.each(['9999', '0', 'x', '', '8888.5', '-1'])('is not there for the port %j', async (port) => {
    expect((await opened({}, `?port=${port}`)).statusCode).toBe(404)
  })

  test('gives its changing part alone to our script', async () => {
    await using fake = await fakeSurface({ viewWorkspace: () => workspaceView({ state: 'Starting' }) })
    const { body } = await fake.app.inject({ url: `${openPath(ref)}?part`, headers: { ...alice, ...ownFetch } })
    expect(body).toMatch(/^<section/)
    expect(body).toContain('data-state="Starting"')
  })
})
