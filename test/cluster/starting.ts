/** What people and programs are told while a pod comes up, or does not: by the installed chart, beside an operator that is not ours. */
import { beforeAll, expect, test } from 'vitest'
import type { WorkspaceView } from '#surface/messages.ts'
import { api, openPath } from '#surface/urls.ts'
import type { Page, ScriptedBrowser } from '#test/support/browser-session.ts'
import { takePicture } from '#test/support/chromium.ts'
import { listObjects } from '#test/support/cluster-api.ts'
import { openSiteChromium } from '#test/support/cluster-site/chromium.ts'
import { lookupOf } from '#test/support/cluster-site/names.ts'
import type { ClusterSite, SiteWorkspace } from '#test/support/cluster-site/site.ts'
import { shellContainer } from '#test/support/echo-container.ts'
import { plainRequest } from '#test/support/plain-request.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { until } from '#test/support/until.ts'
import { crashingApp, failingApp, heldBack, muteApp, releaseFile } from '#test/support/waiting-apps.ts'
import { refusedSocket } from '#test/support/workspace-socket.ts'
import { cookieFor, press, refreshOf } from '../behaviour/gateway/scene.ts'

const probe = { httpGet: { path: '/ready' } }
const ports = [{ name: 'ide', port: 8888, label: 'Notebook', probe }]

interface Pod {
  readonly status: {
    readonly containerStatuses?: readonly { readonly restartCount: number; readonly state: object }[]
  }
}

/** What takes its time, so that it is begun before all else. */
export interface Slow {
  readonly failing: SiteWorkspace
  readonly mute: SiteWorkspace
}

export async function beginSlowly(site: ClusterSite): Promise<Slow> {
  const failing = await site.workspace('failing', { owner: 'alice', container: failingApp(), spec: { ports } })
  const mute = await site.workspace('mute', { owner: 'alice', container: muteApp(), spec: { ports } })
  return { failing, mute }
}

/** The site has one replica, so that an app is asked by nobody else. */
export function startingPods(siteOf: () => ClusterSite, slowOf: () => Slow): void {
  let site: ClusterSite
  let alice: ScriptedBrowser
  let failing: SiteWorkspace
  let mute: SiteWorkspace

  beforeAll(async () => {
    site = siteOf()
    ;({ failing, mute } = slowOf())
    alice = await site.as('alice')
  }, 120_000)

  async function viewOf({ ref }: SiteWorkspace, by = alice): Promise<WorkspaceView> {
    const tab = by.tab()
    await tab.navigate(`${site.origin}/`)
    const page = await tab.fetch(site.origin + api.workspace(ref))
    expect(page.status).toBe(200)
    return JSON.parse(page.body)
  }

  const viewWhere = (workspace: SiteWorkspace, is: (view: WorkspaceView) => boolean, by = alice) => {
    let last: WorkspaceView | undefined
    const look = async () => {
      last = await viewOf(workspace, by)
      return is(last) ? last : undefined
    }
    return until(look, () => JSON.stringify(last))
  }

  const pageWhere = (browser: ScriptedBrowser, url: string, is: (page: Page) => boolean) =>
    until(
      async () => [await browser.open(url)].find(is),
      () => browser.page.body,
    )

  /** As somebody does whose browser runs no scripts: the page loads again until it is another one. */
  const waitOn = (browser: ScriptedBrowser): Promise<Page> =>
    until(async () => {
      const next = refreshOf(browser.page)
      if (!next) return browser.page
      await browser.open(next)
      return undefined
    })

  const desired = (name: string) => site.kubectl(['get', 'workspace', name, '-o', 'jsonpath={.spec.desiredStatus}'])

  test('[JK14.1] [JK14.2] while its app does not listen the page waits, although the pod is Ready; once it answers the page becomes the app', {
    timeout: 60_000,
  }, async () => {
    const { url, ref } = await site.workspace('late', { owner: 'alice', container: heldBack() })
    await site.kubectl(['rollout', 'status', 'deployment/workspace-late', '--timeout=60s'])
    const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    const selector = 'workspace.jupyter.org/workspace-name=late'
    const pod = await site.kubectl(['get', 'pod', '-l', selector, '-o', 'jsonpath={.items[0].metadata.name}'])
    expect(await site.kubectl(['get', 'pod', pod, '-o', ready])).toBe('True')
    const browser = alice.tab()
    const deep = `${url}lab/tree/a%20b.ipynb?x=%2F`
    const look = async () => {
      const page = await browser.open(deep)
      return page.body.includes('Port 8888 does not answer yet') ? page : undefined
    }
    const page = await until(look, () => browser.page.body)
    expect(page.url.pathname).toBe(openPath(ref))
    expect(page.body).toContain('It is starting.')
    expect(page.body).toContain('Port 8888 does not answer yet: nothing answers at the port (ECONNREFUSED)')
    const { state, reason } = await viewOf({ ref, url, uid: '' })
    expect([state, reason]).toEqual(['Starting', 'AccessNotReady'])

    await site.kubectl(['exec', pod, '--', 'touch', releaseFile])
    const arrived = await waitOn(browser)
    expect([arrived.status, arrived.url.href]).toEqual([200, deep])
    expect(JSON.parse(arrived.body).url).toBe('/lab/tree/a%20b.ipynb?x=%2F')
  })

  test('[SP8.1] one click on the page of a stopped one starts it, and the page becomes the app at the deep link; so does the API', {
    timeout: 90_000,
  }, async () => {
    const { url, ref } = await site.workspace('stopped', { owner: 'alice', spec: { desiredStatus: 'Stopped' } })
    const browser = alice.tab()
    const deep = `${url}lab/tree/a%20b.ipynb?reset&x=%2F`
    const page = await until(async () => {
      const opened = await browser.open(deep)
      return opened.url.pathname === openPath(ref) ? opened : undefined
    })
    expect(page.body).toContain('It is stopped.')
    expect(
      await site.kubectl(['get', 'pods', '-l', 'workspace.jupyter.org/workspace-name=stopped', '-o', 'name']),
    ).toBe('')
    await press(browser, api.start(ref))
    expect(await desired('stopped')).toBe('Running')
    const arrived = await waitOn(browser)
    expect([arrived.status, arrived.url.href]).toEqual([200, deep])
    expect(JSON.parse(arrived.body).url).toBe(new URL(deep).pathname + new URL(deep).search)

    await browser.navigate(`${site.origin}/`)
    const call = async (path: string) => (await browser.fetch(site.origin + path, { method: 'POST' })).status
    expect(await call(api.stop(ref))).toBe(202)
    await viewWhere({ ref, url, uid: '' }, ({ state }) => state === 'Stopped')
    expect(await desired('stopped')).toBe('Stopped')
    expect(await call(api.start(ref))).toBe(202)
    expect(await desired('stopped')).toBe('Running')
    await viewWhere({ ref, url, uid: '' }, ({ state }) => state === 'Running')
  })

  test('programs are told 424 and 503 with Retry-After while it is stopped and while it starts, never a redirect', {
    timeout: 60_000,
  }, async () => {
    const down = await site.workspace('down', { owner: 'alice', spec: { desiredStatus: 'Stopped' } })
    const reach = { address: site.address, ca: site.caText }
    const sockets = { lookup: lookupOf((name) => site.addressOf(name)), ws: { ca: site.caText } }
    for (const [of, status, code, retryAfter] of [
      [down.url, 424, 'workspace_stopped', /^30$/],
      [mute.url, 503, 'workspace_starting', /^[234]$/],
    ] as const) {
      const browser = alice.tab()
      await until(async () => ((await browser.open(of)).status === 200 ? true : undefined))
      const headers = { ...cookieFor(browser, of), Origin: new URL(of).origin }
      const answers = [
        await plainRequest(of, { headers, ...reach }),
        await plainRequest(of, { headers, ...reach, method: 'POST', body: 'x' }),
        await refusedSocket(browser, of, sockets),
      ]
      for (const answer of answers) {
        expect([answer.status, answer.headers.location]).toEqual([status, undefined])
        expect(answer.headers['retry-after']).toMatch(retryAfter)
        expect(JSON.parse(answer.body)).toMatchObject({ code, status })
      }
    }
  })

  test('why it does not come up is on the page and in the API: image, program, machine; its last lines for those who may start it', {
    timeout: 120_000,
  }, async () => {
    const open = { accessType: 'Public' }
    const image = await site.workspace('image', { owner: 'alice', spec: { ...open, image: 'localhost:1/nowhere:1' } })
    const crash = await site.workspace('crash', { owner: 'alice', container: crashingApp(), spec: open })
    const machine = await site.workspace('machine', {
      owner: 'alice',
      spec: { ...open, nodeSelector: { no: 'where' } },
    })
    const cases = [
      { of: crash, state: 'Degraded', reason: 'CrashLoopBackOff', says: /Its program ended with exit code 3/ },
      { of: image, state: 'Degraded', reason: 'ImagePullBackOff', says: /Its image can.*t be pulled: .*nowhere/ },
      { of: machine, state: 'Starting', reason: 'Unschedulable', says: /No machine has room for it now: .*node/ },
    ] as const
    const bob = await site.as('bob')
    // Kubernetes tries again now and then, and says something else meanwhile.
    for (const { of, state, reason, says } of cases) {
      for (const browser of [alice.tab(), bob.tab()]) {
        const view = await viewWhere(of, (it) => it.reason === reason && it.steps.length > 0, browser)
        expect([view.state, view.message]).toEqual([state, expect.stringMatching(says)])
        const isTold = ({ body }: Page) => says.test(body) && body.includes(`<code>${reason}</code>`)
        const page = await pageWhere(browser, `${of.url}lab`, isTold)
        expect([page.status, page.url.pathname]).toEqual([200, openPath(of.ref)])
      }
    }
    const steps = async (of: SiteWorkspace) => (await viewOf(of)).steps.map(({ kind, reason }) => `${kind} ${reason}`)
    expect(await steps(image)).toEqual(expect.arrayContaining(['normal Pulling', 'warning Failed']))
    expect(await steps(machine)).toContain('warning FailedScheduling')

    const lines = 'the first line\nno such table: &lt;users&gt;'
    await pageWhere(alice.tab(), crash.url, ({ body }) => body.includes(lines))
    const his = await pageWhere(bob.tab(), crash.url, ({ body }) => body.includes('CrashLoopBackOff'))
    expect(his.body).not.toContain('the first line')
    await bob.navigate(`${site.origin}/`)
    expect((await bob.fetch(site.origin + api.logs(crash.ref))).status).toBe(403)
    const own = alice.tab()
    await own.navigate(`${site.origin}/`)
    const whole = { lines: ['the first line', 'no such table: <users>'] }
    const log = async () => JSON.parse((await own.fetch(site.origin + api.logs(crash.ref))).body)
    await expect.poll(log, { timeout: 10_000 }).toEqual(whole)
  })

  test('one that crashes again and again is degraded all the time from its first end on, also while its program runs once more', {
    timeout: 90_000,
  }, async () => {
    const container = shellContainer('sleep 2; exit 3')
    const dying = await site.workspace('dying', { owner: 'alice', container })
    const labelSelector = 'workspace.jupyter.org/workspace-name=dying'
    const isOnItsThirdRun = async () => {
      const [pod] = await listObjects<Pod>({ apiVersion: 'v1', kind: 'Pod', namespace: site.team, labelSelector })
      const [container] = pod?.status.containerStatuses ?? []
      return container?.restartCount === 2 && 'running' in container.state
    }
    await viewWhere(dying, ({ state }) => state === 'Degraded')
    const seen = new Set<string>()
    const note = async () => {
      const { state, reason, message } = await viewOf(dying)
      seen.add(state)
      expect([reason, message]).toEqual([
        expect.stringMatching(/^(ProcessExited|CrashLoopBackOff)$/),
        expect.stringContaining('Its program ended with exit code 3'),
      ])
    }
    await until(
      async () => [await note(), (await isOnItsThirdRun()) || undefined][1],
      () => [...seen].join(),
    )
    await note()
    expect([...seen]).toEqual(['Degraded'])
  })

  describeWith('browser', 'in a real Chromium', (program) => {
    test('each page says what is wrong, and that of a pod that gets a machine after all becomes the app by itself', {
      timeout: 90_000,
    }, async () => {
      await using chromium = await openSiteChromium(program, site)
      const page = await chromium.person('alice')
      for (const name of ['image', 'crash', 'machine', 'mute']) {
        await page.goto(site.url(name))
        await page.locator('.progress').waitFor()
        await takePicture(page, `cluster-${name}`)
      }
      await page.goto(`${site.origin}/`)
      await takePicture(page, 'cluster-console-of-alice')
      await page.goto(site.url('machine'))
      const patch = ['patch', 'workspace', 'machine', '--type=merge', '-p', '{"spec":{"nodeSelector":null}}']
      await site.kubectl(patch, { as: 'alice' })
      await page.waitForURL(site.url('machine'), { timeout: 60_000 })
    })
  })

  test('[JK14.3] [JK14.4] a port is tried every 2 s, for 5 s at most; after 30 failures it is Degraded, and page and status say which and why', {
    timeout: 120_000,
  }, async () => {
    const { message } = await viewOf(mute)
    expect(message).toMatch(/^Notebook \(port 8888\) does not answer( yet)?: it did not answer within 5 s$/)
    const timesOf = async (name: string) => {
      const lines = await site.kubectl(['logs', `deployment/workspace-${name}`])
      return lines.trim().split('\n').map(Number)
    }
    const gaps = (times: readonly number[]) => times.slice(1).map((time, index) => time - (times[index] ?? 0))
    const middleOf = (values: readonly number[]) =>
      values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0
    // As the app saw them, on a machine that may be busy: one that came late has a short gap behind it.
    const silences = gaps(await timesOf('mute'))
    expect(silences.length).toBeGreaterThan(5)
    expect(middleOf(silences)).toBeGreaterThan(4.8)
    expect(Math.min(...silences)).toBeGreaterThan(3)

    const degraded = await viewWhere(failing, (view) => view.state === 'Degraded')
    const times = await timesOf('failing')
    const why = 'Notebook (port 8888) does not answer: it answered 500 to /ready'
    expect(degraded).toMatchObject({ reason: 'AccessProbeThresholdExceeded', message: why })
    const { body } = await alice.tab().open(failing.url)
    expect(body).toContain('It does not work.')
    expect(body).toContain(why)
    expect(body).toContain('AccessProbeThresholdExceeded')

    // In the first seconds there are quick tries in between, which count for nothing.
    const [first = 0] = times
    const steady = gaps(times.filter((time) => time - first > 12))
    expect(steady.length).toBeGreaterThan(20)
    expect(middleOf(steady)).toBeGreaterThan(1.9)
    expect(middleOf(steady)).toBeLessThan(2.3)
  })
}
