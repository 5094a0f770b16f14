import { readdir, readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { parse } from 'yaml'
import { catalogueOf, type LocalPrograms } from '#operator/apps.ts'
import { planOf } from '#operator/plan.ts'
import type { Instance } from '#runtime/contract.ts'
import { dialEndpoint } from '#runtime/processes/dial.ts'
import { processesWith } from '#runtime/processes/process-table.ts'
import { meta } from '#test/support/objects.ts'
import { describeWith } from '#test/support/real-parts.ts'
import { ask, questionOf } from '#workspace/probe.ts'
import { portsOf, refOf, type Workspace, workspaceKind } from '#workspace/workspace.ts'
import { createRuntimeWorld, eventually, type RuntimeWorld } from './world.ts'

const samples = join(import.meta.dirname, '../../../config/samples/demo')
const nothing: LocalPrograms = {
  jupyter: { kind: 'missing', install: 'not here' },
  codeServer: undefined,
  shell: '/bin/sh',
  isRoot: process.getuid?.() === 0,
}

async function readSample(file: string): Promise<Workspace> {
  const document = parse(await readFile(join(samples, file), 'utf8'))
  const { annotations, name, namespace } = document.metadata
  return {
    apiVersion: document.apiVersion,
    kind: document.kind,
    metadata: meta({ annotations, name, namespace }),
    spec: workspaceKind.parseSpec(document.spec),
    status: {},
  }
}

function samplePlan(workspace: Workspace, programs: LocalPrograms, publicPath = '/') {
  const ref = refOf(workspace)
  if (!ref) throw new Error('no URL could name it')
  const site = { apps: catalogueOf(programs), publicPath: () => publicPath, environmentAliases: { dataiku: false } }
  return planOf(workspace, ref, site)
}

/** Starts it and waits until its main port answers the question that the sample asks. */
async function run(
  world: RuntimeWorld,
  workspace: Workspace,
  programs: LocalPrograms,
  publicPath = '/',
): Promise<Instance> {
  const plan = samplePlan(workspace, programs, publicPath)
  const before = new Set(world.events.flatMap((event) => (event.type === 'gone' ? [event.instanceUid] : [])))
  await world.runtime.apply(plan)
  const instance = await world.instance(plan.ref, (it) => it.phase === 'running' && !before.has(it.instanceUid))
  const [main] = portsOf(workspace)
  const endpoint = instance.endpoints.get(main.port)
  if (!endpoint) throw new Error('its main port has no endpoint')
  await eventually(async () => {
    const fault = await ask(questionOf(main, publicPath), endpoint, dialEndpoint, AbortSignal.timeout(5000))
    return fault === undefined ? true : undefined
  })
  return instance
}

function socketOf(instance: Instance, port: number): string {
  const endpoint = instance.endpoints.get(port)
  if (endpoint?.kind !== 'unix') throw new Error(`port ${port} has no socket`)
  return endpoint.path
}

function exchange(
  socketPath: string,
  path: string,
  wish: { method?: string; headers?: Record<string, string>; body?: string } = {},
) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = { host: 'app.localhost', ...wish.headers }
    const asked = request({ socketPath, path, method: wish.method ?? 'GET', headers }, (answer) => {
      answer.toArray().then((chunks) => {
        resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() })
      }, reject)
    })
    asked.on('error', reject)
    asked.end(wish.body)
  })
}

const get = (socketPath: string, path: string, headers = {}) => exchange(socketPath, path, { headers })

const nextText = (socket: WebSocket) =>
  new Promise<string>((resolve) => socket.once('message', (data) => resolve(String(data))))

describe('the samples', () => {
  test('start nothing by themselves, have an owner, and name apps that there are', async () => {
    const files = await readdir(samples)
    expect(files).toHaveLength(4)
    for (const file of files) {
      const workspace = await readSample(file)
      expect(workspace.spec.desiredStatus).toBe('Stopped')
      expect(workspace.metadata.annotations).toHaveProperty(['workspace.jupyter.org/created-by'])
      expect(samplePlan(workspace, nothing).program.kind).toBe('missing')
    }
  })
})

describeWith('jupyter', 'with a real JupyterLab', (jupyter) => {
  const programs: LocalPrograms = { ...nothing, jupyter: { kind: 'ready', venv: join(jupyter, '../..') } }

  test('the notebook serves below its prefix, takes sockets of its own origin alone, and ends with its kernels', async () => {
    await using world = await createRuntimeWorld({ stopGrace: 10_000 })
    const prefix = '/workspaces/alice/notebook/'
    const instance = await run(world, await readSample('alice-notebook.yaml'), programs, prefix)
    const socket = socketOf(instance, 8888)
    const page = await get(socket, `${prefix}lab`)
    expect(page.status).toBe(200)
    expect(page.body).toContain('"news": {"disabled": true}')
    expect((await get(socket, '/lab')).status).toBe(404)
    const kernel = await start(socket, `${prefix}api/kernels`)
    const open = (origin: string) =>
      new Promise<number>((resolve) => {
        const path = `${prefix}api/kernels/${kernel}/channels`
        const client = new WebSocket(`ws+unix:${socket}:${path}`, { origin, headers: { host: 'app.localhost' } })
        client.on('error', () => undefined)
        client.on('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0))
        client.on('open', () => {
          client.terminate()
          resolve(101)
        })
      })
    expect(await open('http://app.localhost')).toBe(101)
    expect(await open('http://elsewhere.localhost')).toBe(403)
    expect(processesWith('GATEHOUSE_INSTANCE', instance.instanceUid).length).toBeGreaterThan(1)
    await world.runtime.remove(instance.ref)
    expect(processesWith('GATEHOUSE_INSTANCE', instance.instanceUid)).toEqual([])
  }, 60_000)

  test('the dashboard runs beside JupyterLab, and shows what is changed in its folder', async () => {
    await using world = await createRuntimeWorld()
    const instance = await run(world, await readSample('alice-dashboard.yaml'), programs)
    const app = socketOf(instance, 8501)
    expect((await get(socketOf(instance, 8888), '/api/status')).status).toBe(200)
    const page = await eventually(() => get(app, '/').catch(() => undefined))
    expect(page).toMatchObject({ status: 200, body: expect.stringContaining('<title>Dashboard</title>') })
    const socket = new WebSocket(`ws+unix:${app}:/`)
    expect(JSON.parse(await nextText(socket))).toMatchObject({ count: 1, title: 'Hello from the dashboard', error: '' })
    const file = join(world.home, 'workspaces/alice/dashboard/dashboard.py')
    await writeFile(file, (await readFile(file, 'utf8')).replace('Hello from', 'Changed'))
    await eventually(async () =>
      JSON.parse(await nextText(socket)).title === 'Changed the dashboard' ? true : undefined,
    )
    socket.close()
    await world.runtime.remove(instance.ref)
    const again = await run(world, await readSample('alice-dashboard.yaml'), programs)
    await eventually(() => get(socketOf(again, 8501), '/').catch(() => undefined))
    const later = new WebSocket(`ws+unix:${socketOf(again, 8501)}:/`)
    expect(JSON.parse(await nextText(later))).toMatchObject({ title: 'Changed the dashboard' })
    later.terminate()
  }, 60_000)
})

describeWith('code-server', 'with a real code-server', (codeServer) => {
  test('the editor serves its workbench and nothing of other ports', async () => {
    await using world = await createRuntimeWorld()
    const instance = await run(world, await readSample('alice-editor.yaml'), { ...nothing, codeServer })
    const socket = socketOf(instance, 8080)
    const folder = encodeURIComponent(join(world.home, 'workspaces/alice/editor'))
    const workbench = await get(socket, `/?folder=${folder}`, { accept: 'text/html' })
    expect(workbench.status).toBe(200)
    expect(workbench.body).toContain('workbench')
    expect((await get(socket, '/proxy/22/')).status).toBe(403)
    const lines = await world.runtime.logs(instance.ref, { lines: 100 })
    expect(lines.join('\n')).not.toMatch(/EACCES|EINVAL|ENAMETOOLONG/)
  })
})

/** A new kernel's id, as a page of JupyterLab asks for it. */
async function start(socketPath: string, path: string): Promise<string> {
  const headers = { cookie: '_xsrf=x', 'x-xsrftoken': 'x', 'content-type': 'application/json' }
  const { body } = await exchange(socketPath, path, { method: 'POST', headers, body: '{}' })
  const { id }: { id: string } = JSON.parse(body)
  return id
}
