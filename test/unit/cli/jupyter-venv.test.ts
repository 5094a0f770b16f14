import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findProgram } from '#cli/demo-parts/find-program.ts'
import { ensureJupyterVenv, jupyterLabVersion } from '#cli/demo-parts/jupyter-venv.ts'
import { findPrograms } from '#cli/demo-parts/programs.ts'
import { systemClock } from '#lib/clock.ts'
import { jupyterLabVersion as testedVersion } from '#test/support/real-parts.ts'

interface Place {
  readonly folder: string
  readonly venv: string
  readonly said: string[]
  install(overrides?: { signal?: AbortSignal; python?: string }): Promise<string>
  /** Makes a program of this shell script, in `bin/`. */
  program(name: string, script: string): Promise<string>
}

async function createPlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'gh-venv-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'bin'))
  const said: string[] = []
  const venv = join(folder, 'home', 'jupyter')
  return {
    folder,
    venv,
    said,
    install: (overrides = {}) =>
      ensureJupyterVenv({
        folder: venv,
        env: { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, PLACE: folder },
        say: (line) => void said.push(line),
        clock: systemClock,
        signal: new AbortController().signal,
        ...overrides,
      }),
    async program(name, script) {
      const path = join(folder, 'bin', name)
      await writeFile(path, `#!/bin/sh\n${script}\n`)
      await chmod(path, 0o755)
      return path
    },
  }
}

/** Makes an environment whose pip does `pip`. */
const python = (pip: string) => `
echo "$@" >> "$PLACE/calls"
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >> "$PLACE/calls"\\n%s\\n' '${pip}' > "$3/bin/python"
chmod +x "$3/bin/python"`

const callsIn = (place: Place) => readFile(join(place.folder, 'calls'), 'utf8')

describe('JupyterLab', () => {
  test('is installed once, with its version pinned and the progress told', async () => {
    const place = await createPlace()
    await place.program('python3', python('echo Installing collected packages: x'))
    expect(await place.install()).toBe(place.venv)
    expect(await callsIn(place)).toBe(
      `-m venv ${place.venv}\n-m pip install --disable-pip-version-check --no-input jupyterlab==${jupyterLabVersion}\n`,
    )
    expect(place.said.at(0)).toContain(`Installing JupyterLab ${jupyterLabVersion}`)
    expect(place.said).toContain('  installing packages')
    place.said.length = 0
    await place.install()
    expect(place.said).toEqual([])
  })

  test('that was cut short, or is of another version, is installed anew', async () => {
    const place = await createPlace()
    await place.program('python3', python('exit 0'))
    await mkdir(join(place.venv, 'bin'), { recursive: true })
    await writeFile(join(place.venv, 'rest-of-before'), '')
    await place.install()
    await expect(readFile(join(place.venv, 'rest-of-before'))).rejects.toThrow('ENOENT')
    await writeFile(join(place.venv, 'installed'), '1.0.0')
    await place.install()
    expect((await callsIn(place)).match(/-m venv/g)).toHaveLength(2)
  })

  test('whose packages can not be fetched says what pip said, and is tried again next time', async () => {
    const place = await createPlace()
    await place.program('python3', python('echo no route to host >&2; exit 1'))
    const fault = { code: 'not_installed', message: expect.stringContaining('no route to host') }
    await expect(place.install()).rejects.toMatchObject(fault)
    await expect(place.install()).rejects.toMatchObject(fault)
  })

  test.each([
    ['echo "ensurepip is not available." >&2; exit 1', 'apt-get install python3-venv'],
    ['echo "/usr/bin/python3: No module named venv" >&2; exit 1', 'apt-get install python3-venv'],
    ['echo disk full; exit 1', 'disk full'],
  ])('names what to do when %s', async (script, advice) => {
    const place = await createPlace()
    await place.program('python3', script)
    await expect(place.install()).rejects.toMatchObject({
      code: 'not_installed',
      message: expect.stringContaining(advice),
    })
  })

  test('names the packages of Debian when there is no Python', async () => {
    const place = await createPlace()
    await expect(place.install({ python: 'no-such-python3' })).rejects.toMatchObject({
      code: 'not_installed',
      message: expect.stringContaining('apt-get install python3 python3-venv'),
    })
  })

  test('is installed by one while the other waits', async () => {
    const place = await createPlace()
    await place.program('python3', python('sleep 0.3'))
    await Promise.all([place.install(), place.install()])
    expect((await callsIn(place)).match(/-m venv/g)).toHaveLength(1)
    expect(place.said.join()).toContain(`being installed by process ${process.pid}`)
  })

  test('does not wait for one who died while installing', async () => {
    const place = await createPlace()
    await place.program('python3', python('exit 0'))
    await mkdir(join(place.folder, 'home'))
    await writeFile(`${place.venv}.lock`, JSON.stringify({ pid: process.pid, startTime: 'another' }))
    await place.install()
    await expect(readFile(`${place.venv}.lock`)).rejects.toThrow('ENOENT')
  })

  test('is not installed on when Gatehouse is stopped, and what was started ends', async () => {
    const place = await createPlace()
    await place.program('python3', python('echo $$ > "$PLACE/pip"; sleep 60'))
    const stopping = new AbortController()
    const installing = place.install({ signal: stopping.signal })
    await expect.poll(() => readFile(join(place.folder, 'pip'), 'utf8').catch(() => '')).not.toBe('')
    stopping.abort()
    await expect(installing).rejects.toThrow('abort')
    const pid = Number(await readFile(join(place.folder, 'pip'), 'utf8'))
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  test('is the one that the tests use', () => {
    expect(jupyterLabVersion).toBe(testedVersion)
  })
})

describe('the programs of this machine', () => {
  const find = (place: Place, env: Record<string, string>) =>
    findPrograms({
      settings: { home: join(place.folder, 'home') },
      env: { PATH: join(place.folder, 'bin'), ...env },
      userId: 1000,
      say: (line) => void place.said.push(line),
      signal: new AbortController().signal,
    })

  test("are those on PATH, and somebody's own environment as it is", async () => {
    const place = await createPlace()
    const editor = await place.program('code-server', '')
    await place.program('python', '')
    await place.program('jupyter-lab', '')
    expect(await find(place, { GATEHOUSE_JUPYTER_VENV: place.folder, SHELL: '/bin/sh' })).toEqual({
      jupyter: { kind: 'ready', venv: place.folder },
      codeServer: editor,
      shell: '/bin/sh',
      isRoot: false,
    })
  })

  test('that can not be had are said, and nothing is thrown', async () => {
    const place = await createPlace()
    const found = await find(place, { GATEHOUSE_JUPYTER_VENV: '/nowhere' })
    expect(found.codeServer).toBeUndefined()
    expect(found.jupyter).toMatchObject({ kind: 'missing', install: expect.stringContaining('GATEHOUSE_JUPYTER_VENV') })
    expect(place.said.join()).toContain('/nowhere')
  })

  test('are files that may be run, in folders with an absolute path', async () => {
    const place = await createPlace()
    await mkdir(join(place.folder, 'bin', 'a-folder'))
    await writeFile(join(place.folder, 'bin', 'a-text'), '')
    const program = await place.program('a-program', '')
    await symlink(program, join(place.folder, 'bin', 'a-link'))
    const look = (name: string) => findProgram(name, `.:relative::${join(place.folder, 'bin')}`)
    expect(await look('a-folder')).toBeUndefined()
    expect(await look('a-text')).toBeUndefined()
    expect(await look('a-link')).toBe(join(place.folder, 'bin', 'a-link'))
  })
})
