import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { bootId, isStill, readProcess } from '#runtime/processes/process-table.ts'
import { alice, createRuntimeWorld, eventually, planOf, shell } from './world.ts'

async function createHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'gh-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  return home
}

async function startScene(home: string, script: string): Promise<ChildProcess> {
  const scene = spawn(process.execPath, [join(import.meta.dirname, 'crash-scene.ts'), home, script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void scene.kill('SIGKILL'))
  await once(scene.stdout, 'data')
  return scene
}

async function kill(scene: ChildProcess): Promise<void> {
  scene.kill('SIGKILL')
  await once(scene, 'exit')
}

const pidIn = (home: string, file: string) =>
  eventually(
    async () => Number(await readFile(join(home, 'workspaces/alice/app', file), 'utf8').catch(() => '')) || undefined,
  )

test('what a killed Gatehouse left running is ended by the next one, descendants outside the group as well', async () => {
  const home = await createHome()
  const script = `echo $$ > pid; setsid sh -c 'echo $$ > escaped; trap "" TERM; while :; do sleep 1; done' & exec sleep 60`
  const scene = await startScene(home, script)
  const left = [readProcess(await pidIn(home, 'pid')), readProcess(await pidIn(home, 'escaped'))]
  await kill(scene)
  for (const entry of left) expect(entry && isStill(entry)).toBe(true)
  const [stale] = await readdir(join(home, 's'))
  await using world = await createRuntimeWorld({ home })
  for (const entry of left) expect(entry && isStill(entry)).toBe(false)
  expect(await readdir(join(home, 's'))).not.toContain(stale)
  expect(await readdir(join(home, 'run'))).toEqual(['owner.json'])
  await world.runtime.apply(planOf(shell('exec sleep 60')))
  await world.instance(alice, ({ phase }) => phase === 'running')
})

test('a process that only has the number of one that was left is not touched', async () => {
  const home = await createHome()
  const stranger = spawn('/bin/sleep', ['60'], { detached: true, stdio: 'ignore' })
  onTestFinished(() => void stranger.kill('SIGKILL'))
  await once(stranger, 'spawn')
  const found = readProcess(stranger.pid ?? 0)
  if (!found) throw new Error('the stranger does not run')
  const scene = await startScene(home, 'exec sleep 60')
  await kill(scene)
  const [name = ''] = (await readdir(join(home, 'run'))).filter((file) => file.endsWith('.instance.json'))
  const path = join(home, 'run', name)
  const record: { process: { startTime: string } } = JSON.parse(await readFile(path, 'utf8'))
  const forged = { ...record, process: { pid: found.pid, startTime: record.process.startTime } }
  await writeFile(path, JSON.stringify(forged))
  await using _world = await createRuntimeWorld({ home })
  expect(isStill(found)).toBe(true)
  expect(record).toMatchObject({ bootId: bootId() })
})

test('a record that was cut off by the crash is passed over', async () => {
  const home = await createHome()
  const scene = await startScene(home, 'exec sleep 60')
  await kill(scene)
  await writeFile(join(home, 'run', `${crypto.randomUUID()}.instance.json`), '{"bootId":')
  await writeFile(join(home, 'run', 'owner.json'), '')
  await using world = await createRuntimeWorld({ home })
  expect(world.logged.join('')).toContain('not readable')
  expect(await readdir(join(home, 'run'))).toEqual(['owner.json'])
})

test('a folder in which another Gatehouse runs is refused, and its programs run on', async () => {
  const home = await createHome()
  const scene = await startScene(home, 'echo $$ > pid; exec sleep 60')
  const program = readProcess(await pidIn(home, 'pid'))
  await expect(createRuntimeWorld({ home })).rejects.toMatchObject({
    code: 'runtime_failed',
    message: expect.stringContaining(`process ${scene.pid}`),
  })
  expect(program && isStill(program)).toBe(true)
  await kill(scene)
  await using _world = await createRuntimeWorld({ home })
  expect(program && isStill(program)).toBe(false)
})
