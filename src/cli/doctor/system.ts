/** The operating system, its ssh client, and PowerShell on Windows. */
import type { Finding, Probes } from './probes.ts'
import { isAtLeast, versionIn } from './probes.ts'

export async function checkSystem(probes: Probes): Promise<Finding> {
  const { platform, release } = probes
  const finding = (verdict: Finding['verdict'], found: string, remedy?: string): Finding => ({
    ...{ check: 'system', verdict, found },
    ...(remedy === undefined ? {} : { remedy }),
  })
  switch (platform) {
    case 'linux':
      return finding('ok', `Linux, ${nameIn(await probes.read('/etc/os-release')) ?? release}`)
    case 'darwin': {
      const text = (await probes.run('sw_vers', ['-productVersion']))?.stdout.trim() ?? ''
      const version = versionIn(text)
      if (!version) return finding('unknown', 'macOS does not say its version')
      return isAtLeast(version, [13])
        ? finding('ok', `macOS ${text}`)
        : finding('missing', `macOS ${text} is older than 13`, 'Update it in System Settings.')
    }
    case 'win32': {
      // 10.0.22000 is the first Windows 11.
      const version = versionIn(release) ?? []
      if (!isAtLeast(version, [10]))
        return finding('missing', `Windows ${release} is older than Windows 10`, 'Update Windows.')
      return finding('ok', `Windows ${isAtLeast(version, [10, 0, 22_000]) ? '11' : '10'} (${release})`)
    }
    default:
      return finding(
        'missing',
        `${platform} ${release} is none of Linux, macOS 13+ and Windows 10/11`,
        'Use one of these.',
      )
  }
}

function nameIn(osRelease: string | undefined): string | undefined {
  return /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(osRelease ?? '')?.[1]
}

const installSsh: ReadonlyMap<string, string> = new Map([
  ['win32', 'Install it as an administrator: Add-WindowsCapability -Online -Name OpenSSH.Client~~~~0.0.1.0'],
  ['darwin', 'It is part of macOS: look whether /usr/bin is on the PATH.'],
])

/** 7.3 is the first that knows `Include`, by which our part of its configuration is found. */
export async function checkSsh(probes: Probes): Promise<Finding> {
  const remedy =
    installSsh.get(probes.platform) ?? 'Install it: apt install openssh-client, dnf install openssh-clients'
  const answer = await probes.run('ssh', ['-V'])
  if (!answer) return { check: 'ssh', verdict: 'missing', found: 'there is no ssh client', remedy }
  const text = `${answer.stderr}${answer.stdout}`.trim().split(/\r?\n/)[0] ?? ''
  const version = /^OpenSSH_(?:for_Windows_)?(\d+\.\d+)/.exec(text)?.[1]
  const numbers = version === undefined ? undefined : versionIn(version)
  if (!numbers) return { check: 'ssh', verdict: 'missing', found: `the ssh client is not OpenSSH: ${text}`, remedy }
  if (!isAtLeast(numbers, [7, 3]))
    return { check: 'ssh', verdict: 'missing', found: `${text} is older than 7.3`, remedy }
  return { check: 'ssh', verdict: 'ok', found: text }
}

/** On Windows alone: VS Code's Remote-SSH runs its scripts by it. */
export async function checkPowerShell(probes: Probes): Promise<readonly Finding[]> {
  if (probes.platform !== 'win32') return []
  const question = ['-NoProfile', '-NonInteractive', '-Command', '$PSVersionTable.PSVersion.ToString()']
  const answer = await probes.run('powershell.exe', question)
  const text = answer?.stdout.trim() ?? ''
  const version = versionIn(text)
  const remedy = 'Install Windows Management Framework 5.1.'
  if (!version) return [{ check: 'powershell', verdict: 'missing', found: 'there is no PowerShell', remedy }]
  if (!isAtLeast(version, [5, 1]))
    return [{ check: 'powershell', verdict: 'missing', found: `PowerShell ${text} is older than 5.1`, remedy }]
  return [{ check: 'powershell', verdict: 'ok', found: `PowerShell ${text}` }]
}
