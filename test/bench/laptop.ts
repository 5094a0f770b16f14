/** The laptop mode itself: how soon its second start is ready, and what it holds in memory when nobody works. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { pinned, residentKb } from './measure.ts'

const port = 18_920
const launcher = fileURLToPath(new URL('../../bin/gatehouse.js', import.meta.url))

/** Workspaces are only declared, none is started; JupyterLab is not installed for this. */
export async function measureLaptop(): Promise<{ rss_mb: number; ready_ms: number }> {
  const home = await mkdtemp(join(tmpdir(), 'gatehouse-laptop-'))
  const env = {
    ...process.env,
    GATEHOUSE_HOME: home,
    GATEHOUSE_PORT: String(port),
    GATEHOUSE_JUPYTER_VENV: join(home, 'none'),
  }
  try {
    await start(env, async () => undefined)
    return await start(env, async (pid) => {
      await wait(5_000)
      return Math.round((await residentKb(pid)) / 1024)
    }).then(({ ready, result }) => ({ rss_mb: result ?? Number.NaN, ready_ms: Math.round(ready) }))
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

async function start<T>(
  env: NodeJS.ProcessEnv,
  look: (pid: number) => Promise<T>,
): Promise<{ ready: number; result: T }> {
  const began = performance.now()
  await using child = await pinned(0, process.execPath, [launcher, 'demo'], env)
  while (!(await isReady())) {
    if (performance.now() - began > 60_000) throw new Error('the laptop mode did not get ready')
    await wait(10)
  }
  const ready = performance.now() - began
  return { ready, result: await look(child.pid) }
}

async function isReady(): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port + 2}/readyz`)).ok
  } catch {
    return false
  }
}
