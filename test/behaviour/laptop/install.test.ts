import { access, chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isStill, readProcess } from '#runtime/processes/process-table.ts'
import { spawnDemo, startDemo } from '#test/support/demo-process.ts'
import { createLaptopSite, eventually, type LaptopSite } from '#test/support/laptop-site.ts'

/** A stub of `python3` that makes environments whose pip does what `pip` says; the real one would fetch a hundred packages from elsewhere. */
async function stubPython(site: LaptopSite, pip: string): Promise<string> {
  const folder = join(site.manifests, '..', 'bin')
  await mkdir(folder, { recursive: true })
  const script = `#!/bin/sh
mkdir -p "$3/bin"
printf '#!/bin/sh\\n%s\\n' '${pip}' > "$3/bin/python"
chmod +x "$3/bin/python"
`
  await writeFile(join(folder, 'python3'), script)
  await chmod(join(folder, 'python3'), 0o755)
  return folder
}

/** Unpacks something, starts a helper and waits for ever; neither lets itself be asked to end. */
const hanging = `trap "" INT TERM; echo x > "$TMPDIR/unpacked"; sleep 600 & echo $$ $! > "$HOME/pids"; wait; wait`

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)(
  '%s while JupyterLab is being installed ends it at once, leaves nothing half-made, and the next start begins anew',
  async (signal, code) => {
    await using site = await createLaptopSite({ samples: [] })
    const pids = async () =>
      (await readFile(join(site.home, 'pids'), 'utf8').catch(() => '')).trim().split(' ').map(Number)
    {
      await using demo = spawnDemo(site, { pythonFolder: await stubPython(site, hanging) })
      await eventually(async () => (await pids()).length === 2, 'pip runs', 30_000)
      const running = (await pids()).map((pid) => readProcess(pid))
      expect(running.length).toBe(2)
      const began = performance.now()
      demo.kill(signal)
      expect(await demo.ended).toBe(code)
      expect(performance.now() - began).toBeLessThan(2_000)
      for (const entry of running) expect(entry && isStill(entry)).toBe(false)
      expect((await readdir(site.home)).filter((name) => name.startsWith('jupyter'))).toEqual([])
      expect(demo.printed()).toMatch(/fetching packages\nStopped before it was ready\.\n$/)
    }
    await using demo = await startDemo(site, { pythonFolder: await stubPython(site, 'exit 0') })
    expect(demo.printed()).toContain('Installing JupyterLab')
    expect(demo.printed()).toContain('JupyterLab is installed')
    await access(join(site.home, 'jupyter', 'installed'))
    expect(await readdir(site.home)).not.toContain('jupyter.tmp')
  },
  90_000,
)
