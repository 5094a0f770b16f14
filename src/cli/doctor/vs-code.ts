/**
 * VS Code and its Remote-SSH extension. Only Microsoft's own build may run that extension: its licence and its service know no other, so that an
 * open-source build fails late and with a riddle, and is named here.
 */
import type { Finding, Probes, ProgramAnswer } from './probes.ts'
import { isAtLeast, versionIn } from './probes.ts'

const least = [1, 90]
const download = 'https://code.visualstudio.com/download'
const extension = 'ms-vscode-remote.remote-ssh'

/** Builds of the open source, by the programs that start them. */
const openBuilds = ['codium', 'code-oss', 'vscodium']

interface Found {
  readonly program: string
  /** As it calls itself: `Visual Studio Code`, `VSCodium`, `Code - OSS`. */
  readonly product: string
  readonly version: readonly number[]
}

export async function checkVsCode(probes: Probes): Promise<readonly Finding[]> {
  const official = await firstThatRuns(probes, programsOn(probes))
  const found = official ?? (await firstThatRuns(probes, openBuilds))
  if (!found)
    return [
      { check: 'vscode', verdict: 'missing', found: 'no VS Code was found', remedy: `Install it: ${download}` },
      unknownExtension,
    ]
  if (typeof found === 'string') return [{ check: 'vscode', verdict: 'unknown', found }, unknownExtension]
  return [judgeBuild(found), await checkExtension(probes, found)]
}

const unknownExtension: Finding = {
  check: 'remote-ssh',
  verdict: 'missing',
  found: 'without VS Code there is no Remote-SSH extension',
  remedy: `Then install it: code --install-extension ${extension}`,
}

function judgeBuild({ product, version }: Found): Finding {
  const found = `${product} ${version.join('.')}`
  if (!/^Visual Studio Code\b/.test(product)) {
    return {
      check: 'vscode',
      verdict: 'missing',
      found: `${found} is an open-source build: unsupported for Remote-SSH`,
      remedy: `Install the official one: ${download}`,
    }
  }
  if (isAtLeast(version, least)) return { check: 'vscode', verdict: 'ok', found: `${found}, the official build` }
  return {
    check: 'vscode',
    verdict: 'missing',
    found: `${found} is older than ${least.join('.')}`,
    remedy: `Update it: ${download}`,
  }
}

async function checkExtension(probes: Probes, { program }: Found): Promise<Finding> {
  const answer = await probes.run(program, ['--list-extensions', '--show-versions'])
  if (answer?.code !== 0) {
    return { check: 'remote-ssh', verdict: 'unknown', found: `the extensions could not be listed: ${wordsOf(answer)}` }
  }
  const line = answer.stdout.split(/\r?\n/).find((each) => each.toLowerCase().split('@')[0] === extension)
  if (line !== undefined) return { check: 'remote-ssh', verdict: 'ok', found: line }
  return {
    check: 'remote-ssh',
    verdict: 'missing',
    found: 'the Remote-SSH extension is not installed',
    remedy: `Install it: code --install-extension ${extension}`,
  }
}

/** A text: it is there, but does not say what it is. */
async function firstThatRuns(probes: Probes, programs: readonly string[]): Promise<Found | string | undefined> {
  let silent: string | undefined
  for (const program of programs) {
    const answer = await probes.run(program, ['--help'])
    // The first line of its help is its name and version.
    const [, product, version] = /^(\S.*?) (\d+\.\d+\.\d+\S*)\s*$/m.exec(answer?.stdout ?? '') ?? []
    const numbers = version === undefined ? undefined : versionIn(version)
    if (product !== undefined && numbers) return { program, product, version: numbers }
    if (answer) silent ??= `${program} does not say what it is: ${wordsOf(answer)}`
  }
  return silent
}

function wordsOf(answer: ProgramAnswer | undefined): string {
  const [line = ''] = (answer?.stderr ?? '').split(/\r?\n/)
  return line === '' ? `it ended with ${answer?.code ?? 'nothing'}` : line
}

/** On the PATH, and where its installers put it. */
function programsOn({ platform, environment }: Probes): readonly string[] {
  switch (platform) {
    case 'darwin': {
      const inside = 'Visual Studio Code.app/Contents/Resources/app/bin/code'
      return ['code', `/Applications/${inside}`, `${environment.HOME ?? ''}/Applications/${inside}`]
    }
    case 'win32': {
      const folders = [environment.LOCALAPPDATA && `${environment.LOCALAPPDATA}\\Programs`, environment.ProgramFiles]
      return ['code', ...folders.flatMap((folder) => (folder ? [`${folder}\\Microsoft VS Code\\bin\\code.cmd`] : []))]
    }
    default:
      return ['code']
  }
}
