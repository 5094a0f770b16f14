import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { activityKind, activityName, activitySpec } from '#activity/activity-record.ts'
import { sayHistory, spanOf } from '#activity/history.ts'
import { idle } from '#cli/idle.ts'
import { openRecords } from '#compose/idle-records.ts'
import { systemClock } from '#lib/clock.ts'
import { createLog } from '#observe/log.ts'
import { openEmbeddedStore } from '#resources/embedded/store.ts'
import { templateKind } from '#workspace/template.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'

const log = createLog({ level: 'error', clock: systemClock, sink: { write: () => undefined } })
const last = spanOf(Date.now())

/** A laptop that runs, in which alice worked, left for 45 minutes, and worked on; and in which bob did nothing for ten hours. */
async function laptop() {
  const home = mkdtempSync(join(tmpdir(), 'gh-'))
  const file = join(home, 'state.sqlite')
  const kinds = [activityKind, templateKind, workspaceKind]
  const store = openEmbeddedStore({ file, kinds, clock: systemClock, log, signal: new AbortController().signal })
  const record = async (namespace: string, of: (before: number) => number) => {
    const metadata = { namespace, name: 'nb', annotations: { [createdByAnnotation]: namespace } }
    const spec = workspaceKind.parseSpec({ desiredStatus: 'Stopped' })
    const { uid } = (await store.resources.create(workspaceKind, { metadata, spec })).metadata
    const spans = new Map(Array.from({ length: 120 }, (_, before) => [last - before - 1, of(before + 1)]))
    const activity = { clocks: {}, history: [sayHistory(spans, Date.now())] }
    await store.resources.create(activityKind, {
      metadata: { namespace: 'gatehouse', name: activityName(uid, 'a') },
      spec: activitySpec({ namespace, name: 'nb', uid }, 'a', activity, Date.now()),
    })
  }
  await record('alice', (before) => (before > 80 || before < 72 ? 18 : 16))
  await record('bob', () => 16)
  return {
    home,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      rmSync(home, { recursive: true })
    },
  }
}

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const said = { out: '', err: '' }
  const io = {
    stdout: { write: (text: string) => (said.out += text) },
    stderr: { write: (text: string) => (said.err += text) },
  }
  const code = await idle(args, { ...io, env, clock: systemClock, openRecords })
  return { code, ...said }
}

describe('gatehouse idle simulate', () => {
  test('reads the folder of a laptop that runs: hours saved, and who came back within the timeout', async () => {
    await using site = await laptop()
    const { code, out, err } = await run(['simulate', '--timeout', '30m', '--home', site.home])
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/bob\/nb +10\.0 h +9\.4 h +1 +0 +0/)
    expect(out).toMatch(/alice\/nb +10\.0 h +0\.2 h +1 +1 +0/)
    expect(out).toContain('a timeout of 30m would have saved 9.6 h of 20.0 h (48 %)')
    expect(out).toContain('People hit: 1 of 2. alice')
    const longer = await run(['simulate', '--timeout', '1h', '--home', site.home])
    expect(longer.out).toContain('People hit: 0 of 2.')
  })

  test('of one namespace, for programs', async () => {
    await using site = await laptop()
    const { out } = await run(['simulate', '--timeout=30m', '-n', 'bob', '-o', 'json'], { GATEHOUSE_HOME: site.home })
    expect(JSON.parse(out)).toMatchObject({
      ...{ timeoutSeconds: 1_800, ranSeconds: 36_000, savedSeconds: 36_000 - 35 * 60, people: 1, peopleHit: [] },
      workspaces: [{ namespace: 'bob', name: 'nb', owner: 'bob', stops: 1, returns: 0, broken: 0 }],
    })
  })

  test.each([
    ['nothing', []],
    ['no timeout', ['simulate']],
    ['a timeout that is finer than the records', ['simulate', '--timeout', '4m']],
    ['another command', ['stimulate', '--timeout', '30m']],
    ['two places', ['simulate', '--timeout', '30m', '--home', 'x', '--kubeconfig', 'y']],
    ['a form that there is not', ['simulate', '--timeout', '30m', '-o', 'xml']],
  ])('%s is not understood', async (_, args) => {
    expect((await run(args)).code).toBe(2)
  })

  test('what can not be read is said', async () => {
    const { code, err } = await run(['simulate', '--timeout', '30m', '--home', '/nonexistent'])
    expect([code, err]).toEqual([1, expect.stringContaining('there is no /nonexistent/state.sqlite')])
  })
})
