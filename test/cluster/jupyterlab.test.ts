/** A real JupyterLab in a pod, as people meet it: by its programs' requests, and in a real Chromium, through two replicas of the installed chart. */
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SeenSocket, socketsOf, takePicture } from '#test/support/chromium.ts'
import { openSiteChromium, type SiteChromium } from '#test/support/cluster-site/chromium.ts'
import { lookupOf } from '#test/support/cluster-site/names.ts'
import { type ClusterSite, openSite, openWhenRunning, type SiteWorkspace } from '#test/support/cluster-site/site.ts'
import { type ContainerConfig, jupyterContainer } from '#test/support/echo-container.ts'
import {
  connectKernel,
  type JupyterClient,
  openJupyter,
  startKernel,
  typeIntoTerminal,
} from '#test/support/jupyter-client.ts'
import { eventsConfiguration, eventsExtension, listen } from '#test/support/jupyter-events.ts'
import { download, uploadNoise } from '#test/support/jupyter-files.ts'
import { describeWith } from '#test/support/real-parts.ts'

/** Revocation is to be felt within this time. */
const revocationBound = 2_000

/** A notebook with one empty cell. */
const empty = {
  cells: [{ cell_type: 'code', id: 'first', execution_count: null, metadata: {}, outputs: [], source: '' }],
  metadata: { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } },
  nbformat: 4,
  nbformat_minor: 5,
}

/** Would ask everybody whether it may fetch some. */
const news = '@jupyterlab/apputils-extension:announcements'

/** As somebody left it in his home: a notebook, and an extension of the server. */
function furnished(): ContainerConfig {
  const files = {
    'answer.ipynb': JSON.stringify(empty),
    'told.py': eventsExtension,
    '.jupyter/jupyter_server_config.py': eventsConfiguration,
    '.jupyter/labconfig/page_config.json': JSON.stringify({ disabledExtensions: { [news]: true } }),
  }
  const write = Object.entries(files).map(
    ([name, text]) => `cat > /home/jovyan/${name} <<'END_OF_FILE'\n${text}\nEND_OF_FILE`,
  )
  const script = ['mkdir -p /home/jovyan/.jupyter/labconfig', ...write, 'cd /home/jovyan', 'exec "$0" "$@"'].join('\n')
  const { command, args } = jupyterContainer()
  return { command: ['/bin/sh', '-c', script], args: [...command, ...args] }
}

const isKernels = ({ url }: SeenSocket) => url.includes('/api/kernels/')

const openKernels = async (page: Page) => (await socketsOf(page)).filter((it) => isKernels(it) && it.isOpen).length

describeWith('helm', 'a real JupyterLab in a pod', () => {
  let site: ClusterSite
  let notebook: SiteWorkspace
  let lab: JupyterClient

  beforeAll(async () => {
    site = await openSite({ replicas: 2 })
    notebook = await site.workspace('notebook', {
      owner: 'alice',
      container: furnished(),
      spec: { displayName: 'Notebook' },
    })
    const alice = await site.as('alice')
    await openWhenRunning(alice, `${notebook.url}lab`)
    const reach = { lookup: lookupOf((name) => site.addressOf(name)), ws: { ca: site.caText } }
    lab = await openJupyter(alice, notebook.url, reach)
  }, 180_000)

  afterAll(() => site[Symbol.asyncDispose]())

  const reachOf = () => ({ address: site.address, ca: site.caText })

  test('[SP2.1] runs 1+1 in a kernel made over REST, over its WebSocket, and says 2', { timeout: 60_000 }, async () => {
    const id = await startKernel(lab)
    expect(JSON.parse((await lab.ask('GET', 'api/kernels')).body)).toMatchObject([{ id }])
    const kernel = await connectKernel(lab, id, 'v1')
    using socket = kernel.socket
    const answers = await kernel.execute('1+1')
    expect(answers.find(({ type }) => type === 'execute_result')).toMatchObject({
      channel: 'iopub',
      content: { data: { 'text/plain': '2' } },
    })
    expect(socket.isOpen()).toBe(true)
    expect((await lab.ask('DELETE', `api/kernels/${id}`)).status).toBe(204)
  })

  test('[SP2.2] echoes what is typed into a terminal, over its WebSocket', { timeout: 60_000 }, async () => {
    // The answer is not what was typed.
    const screen = await typeIntoTerminal(
      lab,
      'echo the pod is $((6*7)) and $(hostname)',
      /the pod is 42 and workspace-/,
    )
    expect(screen).toContain('workspace-notebook-')
  })

  test('[SP2.3] takes 200 MB and gives them back the same', { timeout: 180_000 }, async () => {
    const sent = await uploadNoise(lab, 'big.bin', 200)
    expect(sent.length).toBe(200 * 1024 * 1024)
    expect(await download(lab, notebook.url, 'big.bin', reachOf())).toEqual(sent)
  })

  test('[SP2.4] sends events one by one, each before the next is made', { timeout: 60_000 }, async () => {
    const headers = lab.fields('told')
    await using events = await listen(`${notebook.url}told`, { headers, ...reachOf() })
    expect(events.type).toBe('text/event-stream')
    expect(await events.next()).toBe('data: begin\n\n')
    for (let count = 1; count <= 5; count++) {
      expect((await lab.ask('POST', 'told', { say: `event ${count}` })).status).toBe(204)
      expect(await events.next()).toBe(`data: event ${count}\n\n`)
    }
  })

  describeWith('browser', 'in a real Chromium', (program) => {
    let chromium: SiteChromium
    beforeAll(async () => {
      chromium = await openSiteChromium(program, site)
    })
    afterAll(() => chromium[Symbol.asyncDispose]())

    test('[SP8.1] alice starts it with one click, works in it, shares it with bob, and bob is thrown out the moment she revokes it', {
      timeout: 180_000,
    }, async () => {
      const patch = ['patch', 'workspace', 'notebook', '--type=merge', '-p']
      await site.kubectl([...patch, '{"spec":{"desiredStatus":"Stopped"}}'], { as: 'alice' })
      const desired = () => site.kubectl(['get', 'workspace', 'notebook', '-o', 'jsonpath={.spec.desiredStatus}'])
      const deep = `${notebook.url}lab/tree/answer.ipynb`
      const alice = await chromium.person('alice')
      await alice.goto(deep)
      await alice.getByText('It is stopped.').waitFor()
      await takePicture(alice, 'cluster-stopped')
      expect(await desired()).toBe('Stopped')
      await alice.getByRole('button', { name: 'Start it' }).click()
      await alice.getByRole('strong').filter({ hasText: 'It is starting.' }).waitFor()
      await takePicture(alice, 'cluster-starting')
      expect(await desired()).toBe('Running')
      await alice.waitForURL(deep, { timeout: 60_000 })

      // What is run before there is a kernel may be forgotten by JupyterLab.
      await alice.getByText('Python 3 (ipykernel) | Idle').waitFor({ timeout: 60_000 })
      await alice.locator('.jp-Cell .cm-content').first().click({ timeout: 60_000 })
      await alice.keyboard.type('print(6*7)')
      await alice.keyboard.press('Shift+Enter')
      await alice.locator('.jp-OutputArea-output', { hasText: /^42\s*$/ }).waitFor({ timeout: 60_000 })
      await expect.poll(() => openKernels(alice)).toBeGreaterThan(0)
      await takePicture(alice, 'cluster-notebook')

      const desk = await alice.context().newPage()
      await desk.goto(`${site.origin}/`)
      await desk.getByRole('link', { name: 'Share Notebook' }).click()
      const dialog = desk.getByRole('dialog', { name: 'Share Notebook' })
      await dialog.getByLabel('People').fill('bob')
      await dialog.getByRole('button', { name: 'Share', exact: true }).click()
      await dialog.getByText('In force').waitFor()
      await takePicture(desk, 'cluster-shared')

      const bob = await chromium.person('bob')
      await takePicture(bob, 'cluster-console-of-bob')
      await bob.getByRole('link', { name: 'Open: Notebook' }).click()
      await bob.waitForURL(`${notebook.url}**`)
      await bob.goto(deep)
      await expect.poll(() => openKernels(bob), { timeout: 60_000 }).toBeGreaterThan(0)
      const before = await socketsOf(bob)
      const open = before.filter((it) => it.isOpen).length
      const seen = async () => (await socketsOf(bob)).slice(0, before.length)

      const revokedAt = Date.now()
      await dialog.getByRole('button', { name: 'Revoke the share with bob' }).click()
      await expect
        .poll(async () => (await seen()).filter((it) => it.closed === undefined), { timeout: 10_000 })
        .toEqual([])
      const closed = (await seen()).filter((it) => it.closed?.code === 1008)
      expect(closed).toHaveLength(open)
      expect(closed.some(isKernels)).toBe(true)
      for (const { closed: end } of closed) {
        expect(end?.reason).toBe('access ended')
        expect((end?.at ?? 0) - revokedAt).toBeLessThan(revocationBound)
      }
      await takePicture(bob, 'cluster-revoked')
      const next = await bob.goto(deep)
      expect(next?.status()).toBe(403)
      await takePicture(bob, 'cluster-thrown-out')
      expect((await socketsOf(alice)).filter((it) => it.closed?.code === 1008)).toEqual([])
      expect(await openKernels(alice)).toBeGreaterThan(0)
    })

    test('an administrator sees in the console whose it is, and why he may', { timeout: 60_000 }, async () => {
      const carol = await chromium.person('carol')
      const item = carol.getByRole('listitem').filter({ has: carol.getByRole('heading', { name: /Notebook/ }) })
      await item.getByText('of alice, as an administrator').waitFor()
      await takePicture(carol, 'cluster-console-of-carol')
    })
  })
})
