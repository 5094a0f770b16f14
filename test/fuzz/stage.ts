/** Gatehouse with somebody logged in, nginx and haproxy, each in front of recorders of its own: one for every lane, and a case has a lane to itself. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Settings } from '#settings/settings.ts'
import { createWorld, type World } from '#test/support/world.ts'
import { authorityOf, placeOf } from '#workspace/address.ts'
import { createdByAnnotation, workspaceKind } from '#workspace/workspace.ts'
import { canConnect } from './play.ts'
import { openRecorder, type Recorder } from './recorder.ts'
import type { CaseSetting } from './request-case.ts'

export const targetNames = ['gatehouse', 'nginx', 'haproxy'] as const
export type TargetName = (typeof targetNames)[number]

/** Somebody to send a case to, and what arrives behind. */
export interface CaseTarget {
  readonly address: NetConnectOpts
  readonly recorder: Recorder
}

export interface Lane {
  readonly setting: CaseSetting
  readonly targets: Readonly<Record<TargetName, CaseTarget>>
}

export interface Stage extends AsyncDisposable {
  readonly lanes: readonly Lane[]
}

export interface StageOptions {
  /** Has every workspace a host of its own, or all of them one with paths? */
  readonly mode: 'host' | 'path'
  readonly lanes: number
  /** Paths of the programs. */
  readonly nginx: string
  readonly haproxy: string
}

export async function openStage(options: StageOptions): Promise<Stage> {
  await using opened = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-fuzz-'))
  opened.defer(() => rmSync(folder, { recursive: true, force: true }))
  const path = (name: string, lane: number) => join(folder, `${name}-${lane}`)
  const numbers = Array.from({ length: options.lanes }, (_, lane) => lane)
  const world = opened.use(await createWorld({ mode: options.mode, settings: withoutLimits }))
  const setUp = async (lane: number): Promise<Lane> => {
    const behind = async (name: TargetName) => opened.use(await openRecorder(path(`${name}-upstream`, lane)))
    const recorder = await behind('gatehouse')
    const setting = await openWorkspace(world, `lane${lane}`, path('gatehouse-upstream', lane))
    return {
      setting,
      targets: {
        gatehouse: { address: { host: '127.0.0.1', port: world.port }, recorder },
        nginx: { address: { path: path('nginx', lane) }, recorder: await behind('nginx') },
        haproxy: { address: { path: path('haproxy', lane) }, recorder: await behind('haproxy') },
      },
    }
  }
  const lanes: Lane[] = []
  for (const lane of numbers) lanes.push(await setUp(lane))
  writeFileSync(join(folder, 'nginx.conf'), nginxConfiguration(folder, numbers))
  writeFileSync(join(folder, 'haproxy.cfg'), haproxyConfiguration(folder, numbers))
  opened.use(await started(options.nginx, ['-c', join(folder, 'nginx.conf')]))
  opened.use(await started(options.haproxy, ['-db', '-f', join(folder, 'haproxy.cfg')]))
  for (const { targets } of lanes) {
    for (const name of targetNames) await canConnect(targets[name].address)
  }
  const running = opened.move()
  return { lanes, [Symbol.asyncDispose]: () => running.disposeAsync() }
}

/** One person asks for more here than anybody would. */
function withoutLimits(settings: Settings): Settings {
  const many = { requestsPerIdentity: 1e9, requestsPerAddress: 1e9, streamsPerIdentity: 1e9 }
  return { ...settings, limits: { ...settings.limits, ...many } }
}

/** A workspace of alice's, and a session of hers there. */
async function openWorkspace(world: World, name: string, socket: string): Promise<CaseSetting> {
  const ref = { namespace: 'team', name }
  world.runtime.provide(ref, { 8888: { kind: 'unix', path: socket } })
  const metadata = { ...ref, annotations: { [createdByAnnotation]: 'alice' } }
  await world.resources.create(workspaceKind, { metadata, spec: workspaceKind.parseSpec({ desiredStatus: 'Running' }) })
  await world.until(() => world.open.workspaces.directory.get(ref)?.state.phase === 'Running', `${name} runs`)
  const alice = await world.as('alice')
  await alice.open(world.url(ref))
  const cookie = alice.cookieHeader(world.url(ref))
  if (cookie === undefined) throw new Error(`no session at ${name}`)
  const { host, prefix } = placeOf(world.open.site, ref, undefined)
  return { host: authorityOf(world.open.site, host), base: prefix.slice(0, -1), cookie }
}

async function started(program: string, args: readonly string[]): Promise<AsyncDisposable> {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'] })
  await once(child, 'spawn')
  return {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

/** As they come, but for what would hide a difference: bodies are passed on as they arrive, errors end nothing early. */
function nginxConfiguration(folder: string, lanes: readonly number[]): string {
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const servers = lanes.map(
    (lane) => `server { listen unix:${folder}/nginx-${lane};
  location / { proxy_pass http://unix:${folder}/nginx-upstream-${lane}:; } }`,
  )
  return `daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid; error_log /dev/null;
events { worker_connections 1024; }
http { access_log off; ${kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ')}
proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
proxy_request_buffering off; client_max_body_size 0; merge_slashes off;
${servers.join('\n')} }
`
}

function haproxyConfiguration(folder: string, lanes: readonly number[]): string {
  const sections = lanes.map(
    (lane) => `frontend f${lane}
  bind unix@${folder}/haproxy-${lane}
  default_backend b${lane}
backend b${lane}
  server s unix@${folder}/haproxy-upstream-${lane}`,
  )
  return `global
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
${sections.join('\n')}
`
}
