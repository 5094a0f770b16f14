/** What people write into their objects is text for everybody who reads it, and what cannot be read hurts nobody else: on the real API server. */
import { beforeAll, expect, test } from 'vitest'
import { api, openPath, paths, sharePath } from '#surface/urls.ts'
import type { ScriptedBrowser } from '#test/support/browser-session.ts'
import { takePicture } from '#test/support/chromium.ts'
import { createObject } from '#test/support/cluster-api.ts'
import { openSiteChromium } from '#test/support/cluster-site/chromium.ts'
import { type ClusterSite, openWhenRunning, type SiteWorkspace } from '#test/support/cluster-site/site.ts'
import { type EchoAnswer, echoContainer, testImage } from '#test/support/echo-container.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'
import { cookieFor } from '../behaviour/gateway/scene.ts'

const markup = '"\'><script>document.title="injected"</script><img src=x onerror=\'document.title="injected"\'>'
const breaks = 'x\r\nSet-Cookie: injected=1\r\nX-Injected: 1\r\n\r\n<h1>injected</h1>'
const hostile = `${markup} ${breaks} {{.Env}} $(id) \u202egnp.exe\u0007\u001b[31m`

/** Not one of them is a list of ports. */
const unreadable = [
  `{"name": ${markup}`,
  JSON.stringify([{ name: breaks, port: 8888 }]),
  JSON.stringify([{ name: 'web', port: '8888' }]),
  JSON.stringify([{ name: 'web', port: 8888, path: 'strip', subpath: '/../' }]),
  JSON.stringify({ name: 'web', port: 8888 }),
  '[]',
]

/** Of its settings, said before there is a log. */
const isWarning = (line: string) => line.startsWith('warning: ')

export function hostileFields(siteOf: () => ClusterSite): void {
  let site: ClusterSite
  let alice: ScriptedBrowser
  let plain: SiteWorkspace

  beforeAll(async () => {
    site = siteOf()
    plain = await site.workspace('plain', { owner: 'alice' })
    alice = await site.as('alice')
    await openWhenRunning(alice.tab(), plain.url)
  }, 120_000)

  /** By alice, with whatever she likes in it. */
  async function create(name: string, annotations: object, spec: object): Promise<void> {
    const workspace = {
      apiVersion: 'workspace.jupyter.org/v1alpha1',
      kind: 'Workspace',
      metadata: {
        namespace: site.team,
        name,
        annotations: { 'workspace.jupyter.org/created-by': 'alice', ...annotations },
      },
      spec: {
        displayName: name,
        managerRef: { name: site.namespace },
        image: testImage,
        containerConfig: echoContainer(),
        ...spec,
      },
    }
    await createObject(workspace, { as: 'alice' })
  }

  const logLines = async () => {
    const [replica] = site.replicas
    return (await site.ours(['logs', replica?.pod ?? ''])).split('\n').filter((line) => line !== '' && !isWarning(line))
  }

  test('are text on every page, whole in the API, and in no header field of an answer or towards the app', {
    timeout: 60_000,
  }, async () => {
    const ports = [{ name: 'web', port: 8888, label: markup.slice(0, 100) }]
    const env = [{ name: 'HOSTILE', value: hostile }]
    await create(
      'odd',
      { 'gatehouse.dev/note': hostile, 'example.com/odd': breaks },
      { displayName: hostile, appType: hostile, ports, env },
    )
    await create('nowhere', {}, { displayName: hostile, image: `docker.io/${markup}` })
    const url = site.url('odd')
    const page = await openWhenRunning(alice.tab(), url)
    const echo: EchoAnswer = JSON.parse(page.body)
    expect(echo.env.HOSTILE).toBe(hostile)
    expect(JSON.stringify(echo.headers)).not.toMatch(/njected|<script/)
    const ref = { namespace: site.team, name: 'odd' }
    const nowhere = { namespace: site.team, name: 'nowhere' }
    await until(async () =>
      (await alice.tab().open(site.origin + openPath(nowhere))).body.includes('InvalidImageName') ? true : undefined,
    )
    const tab = alice.tab()
    const places = ['/', openPath(ref), openPath(nowhere), sharePath(ref), paths.workspaceList]
    for (const path of places) {
      const { status, headers, body } = await tab.navigate(site.origin + path)
      expect([path, status]).toEqual([path, 200])
      expect(body, path).toContain('&lt;script&gt;document.title=')
      expect(body, path).not.toMatch(/<script>document|<img|<h1>injected/)
      expect(JSON.stringify(headers), path).not.toContain('njected')
    }
    await tab.navigate(`${site.origin}/`)
    const view = await tab.fetch(site.origin + api.workspace(ref))
    expect(JSON.stringify(view.headers)).not.toContain('njected')
    expect(JSON.parse(view.body)).toMatchObject({ displayName: hostile, ports: [{ label: markup.slice(0, 100) }] })
    const answer = await plainRequest(url, { headers: cookieFor(alice, url), address: site.address, ca: site.caText })
    expect([answer.status, answer.headers['set-cookie'], answer.headers['x-injected']]).toEqual([
      200,
      undefined,
      undefined,
    ])
  })

  test('that cannot be read are reported in the log and a figure, are served to nobody, and leave the others alone', {
    timeout: 60_000,
  }, async () => {
    const names = unreadable.map((_, index) => `bad-${index}`)
    for (const [index, ports] of unreadable.entries())
      await create(`bad-${index}`, { 'gatehouse.dev/ports': ports }, {})
    const reports = async () => {
      const lines = (await logLines()).map((line): Record<string, unknown> => JSON.parse(line))
      return lines.filter(({ name }) => names.some((bad) => name === `${site.team}/${bad}`))
    }
    await until(async () => ((await reports()).length >= names.length ? true : undefined))
    const [replica] = site.replicas
    const figures = await (await fetch(`http://${replica?.address}:8802/metrics`)).text()
    const count = /^gatehouse_unreadable_objects_total\{plural="workspaces"\} (\d+)$/m.exec(figures)?.[1]
    expect(Number(count)).toBeGreaterThanOrEqual(names.length)

    const overview = await alice.tab().open(`${site.origin}/`)
    for (const name of names) {
      expect((await alice.tab().open(site.url(name))).status).toBe(403)
      expect(overview.body).not.toContain(name)
    }
    expect((await alice.tab().open(plain.url)).status).toBe(200)
    await site.kubectl(
      ['annotate', 'workspace', 'bad-0', '--overwrite', 'gatehouse.dev/ports=[{"name":"web","port":8888}]'],
      { as: 'alice' },
    )
    await openWhenRunning(alice.tab(), site.url('bad-0'))
    expect((await reports()).map(({ name }) => name).sort()).toEqual(names.map((name) => `${site.team}/${name}`))
  })

  describeWith('browser', 'in a real Chromium', (program) => {
    test('run no script and change no page', { timeout: 60_000 }, async () => {
      await using chromium = await openSiteChromium(program, site)
      const page = await chromium.person('alice')
      const ref = { namespace: site.team, name: 'odd' }
      const nowhere = { namespace: site.team, name: 'nowhere' }
      for (const [path, name] of [
        ['/', 'console'],
        [openPath(nowhere), 'open'],
        [sharePath(ref), 'share'],
      ] as const) {
        await page.goto(site.origin + path)
        await page.getByRole('heading').first().waitFor()
        await takePicture(page, `cluster-hostile-${name}`)
        expect(await page.title()).not.toBe('injected')
        expect(await page.locator('main img, main script, main h1:text-is("injected")').count()).toBe(0)
      }
    })
  })

  test('leave every line of the log a line of JSON without control characters', async () => {
    const lines = await logLines()
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) {
      expect(() => JSON.parse(line), line).not.toThrow()
      expect(line).not.toMatch(/[\p{Cc}\u202e]/u)
    }
  })
}
