/** What ssh itself reads out of its configuration (`ssh -G`), for a name that is within a deployment and of no workspace: nobody is asked for a certificate. */
import type { Probes } from '#cli/doctor/probes.ts'
import type { ConfigBlock } from './config-text.ts'
import { plainPath } from './config-text.ts'

/** What is not ours, for people; `undefined` where all is, and where there is no ssh to ask. */
export async function overruled(
  probes: Probes,
  { user, block }: { readonly user: string; readonly block: ConfigBlock },
): Promise<string | undefined> {
  const answer = await probes.run('ssh', ['-F', user, '-G', `check.${block.sshName}.gatehouse`])
  if (!answer) return undefined
  if (answer.code !== 0) return answer.stderr.trim().split('\n').at(-1) ?? 'it ends without a word'
  const said = new Map(answer.stdout.split(/\r?\n/).map((line) => [line.split(' ', 1)[0] ?? '', line]))
  const path = (text: string) => plainPath(text, probes.platform)
  const wanted: readonly (readonly [string, string])[] = [
    ['user', block.user],
    ['userknownhostsfile', path(block.places.knownHosts)],
    ['stricthostkeychecking', 'true'],
    ['proxycommand', ` tunnel --deployment ${block.name} `],
  ]
  return wanted.flatMap(([option, value]) => {
    const line = said.get(option) ?? ''
    return line.includes(value) ? [] : [line === '' ? `it has no ${option}` : line]
  })[0]
}
