/** A gateway and apps behind it, each a process of its own, for loads that this process makes. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { listening } from '#test/bench/measure.ts'
import { freePort } from '#test/support/free-port.ts'
import { imageOptions, podEnvironment } from '#test/support/image-options.ts'
import { asker, comesFromElsewhere, ended } from './child.ts'
import type { Answers, Order, Visiting } from './orders.ts'

export interface Stage extends AsyncDisposable {
  readonly port: number
  /** `http://localhost:<port>`. */
  readonly origin: string
  /** Of everybody at the identity provider. */
  readonly password: string
  /** Alice's, one for each app. */
  readonly alice: readonly Visiting[]
  ask<Kind extends Order['kind']>(order: Extract<Order, { kind: Kind }>): Promise<Answers[Kind]>
  /** Ends the app without a word and starts it again. */
  restart(app: number): Promise<void>
}

const programs = (name: string) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

export interface StageOptions {
  readonly apps: number
  /** Apps that thousands come to, and that stand aside for everybody else. */
  readonly elsewhere?: readonly number[]
  /** Milliseconds that an idle connection is kept; the gateway's own default when absent. */
  readonly keepAlive?: number
}

export async function openStage({ apps, elsewhere = [], keepAlive }: StageOptions): Promise<Stage> {
  await using opened = new AsyncDisposableStack()
  const ports = [await freePort(apps)].flatMap((first) => Array.from({ length: apps }, (_, index) => first + index))
  const running: ChildProcess[] = []
  opened.defer(async () => void (await Promise.all(running.map(ended))))
  const start = async (app: number) => {
    const port = ports[app] ?? 0
    const started = fork(programs('app'), [String(port)])
    running[app] = started
    if (elsewhere.includes(app)) comesFromElsewhere(started)
    await listening(port)
  }
  await Promise.all(ports.map((_, app) => start(app)))
  const gateway = fork(
    programs('gateway'),
    [...ports.map(String), ...(keepAlive === undefined ? [] : [`--keep-alive=${keepAlive}`])],
    { execArgv: ['--expose-gc', ...imageOptions()], env: podEnvironment() },
  )
  opened.defer(() => ended(gateway))
  const [ready] = await once(gateway, 'message')
  const ask: Stage['ask'] = asker(gateway)
  const alice = await ask({ kind: 'visit', as: 'alice' })
  const kept = opened.move()
  return {
    ...ready,
    ...{ alice, ask },
    async restart(app) {
      const process = running[app]
      if (process) await ended(process)
      await start(app)
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
