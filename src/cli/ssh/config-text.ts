/**
 * The text of our part of `ssh_config`. Pure. Whatever is written there is either of one strict form or refused: a space, a quote or a line's end in a path or a
 * name would be another option. The alias that ssh puts in for `%h` reaches a shell, and comes from whoever made the URL that git or an IDE was
 * given (CVE-2023-51385): names with anything that a shell obeys are of none of our blocks.
 */
import { CliFault } from '#cli/client/cli-fault.ts'
import { isUserName } from '#lib/user-name.ts'
import { aliasPattern, isDeployment } from '#workspace/ssh-alias.ts'
import type { SshPlaces } from './places.ts'

export interface ConfigBlock {
  /** What the deployment is called here. */
  readonly name: string
  /** What it calls itself in aliases. */
  readonly sshName: string
  /** Who somebody is in its workspaces. */
  readonly user: string
  readonly places: SshPlaces
}

export interface ConfigParts {
  readonly blocks: readonly ConfigBlock[]
  /** What starts this program, by absolute paths: IDEs that are started by a click have another PATH. */
  readonly program: readonly string[]
  /** Behind the program's own command: which config folder is meant, where it isn't the usual one. */
  readonly folder: string | undefined
  readonly platform: string
  readonly agentForwarding: boolean
}

const note = '# Written by Gatehouse; what is changed here is lost. "gatehouse config-ssh --remove" takes it away.'

/** For no block of ours; the pattern's own `*` and `?` mean nothing within quotes of a shell. */
const shellCharacters = ["'", '&', '|', '<', '>', '^', '%', ' ', ';', '$', '`', '(', ')']

/** Throws `path_refused`, `no_gateway` for a name that is none. */
export function configText(parts: ConfigParts): string {
  return [note, ...parts.blocks.flatMap((block) => ['', ...blockLines(block, parts)]), ''].join('\n')
}

function blockLines({ name, sshName, user, places }: ConfigBlock, parts: ConfigParts): readonly string[] {
  if (!isDeployment(sshName) || !isUserName(user))
    throw new CliFault('no_gateway', `the deployment '${name}' has a name that ssh_config cannot hold`)
  const { platform, agentForwarding } = parts
  const path = (text: string) => `"${plainPath(text, platform)}"`
  const pattern = aliasPattern(sshName)
  const but = shellCharacters.map((character) => `!*${character}*`)
  const command = (words: string, flags: readonly string[] = []) =>
    commandLine(parts, [words, '--deployment', name, ...flags])
  const options: readonly (readonly [string, string])[] = [
    ['User', user],
    ['IdentityFile', path(places.key)],
    ['CertificateFile', `"${plainPath(places.folder, platform)}/%h-cert.pub"`],
    ['IdentitiesOnly', 'yes'],
    ['AddKeysToAgent', 'no'],
    ['PubkeyAuthentication', 'yes'],
    ['PreferredAuthentications', 'publickey'],
    ['UserKnownHostsFile', path(places.knownHosts)],
    ['GlobalKnownHostsFile', path(places.knownHosts)],
    ['StrictHostKeyChecking', 'yes'],
    ['HostKeyAlgorithms', 'ssh-ed25519-cert-v01@openssh.com'],
    ['UpdateHostKeys', 'no'],
    ['VerifyHostKeyDNS', 'no'],
    ['CheckHostIP', 'no'],
    ['ForwardAgent', agentForwarding ? 'yes' : 'no'],
    // It is for the gateway to say how long it takes.
    ['ConnectTimeout', '0'],
    ['ServerAliveInterval', '30'],
    ['ServerAliveCountMax', '20'],
    ['LogLevel', 'ERROR'],
    ['ProxyCommand', command('tunnel')],
  ]
  const mint = command('ssh-certificate', agentForwarding ? ['--agent-forwarding'] : [])
  return [
    `# ${name}`,
    // Before ssh reads the certificate; a ProxyCommand runs beside that.
    `Match host "${[pattern, ...but].join(',')}" exec "${mint}"`,
    `Host ${[pattern, ...but].map((one) => `"${one}"`).join(' ')}`,
    ...options.map(([option, value]) => `  ${option} ${value}`),
  ]
}

/** Has our part of `ssh_config` the hosts of this deployment, by its own name here? Those of another one lead to none of its workspaces. */
export function hasHostsOf(text: string, { name, sshName }: Pick<ConfigBlock, 'name' | 'sshName'>): boolean {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.startsWith(`Host "${aliasPattern(sshName)}" `))
  if (start === -1) return false
  const options = lines.slice(start + 1)
  const end = options.findIndex((line) => !line.startsWith(' '))
  const own = end === -1 ? options : options.slice(0, end)
  return own.some((line) => line.startsWith('  ProxyCommand ') && line.includes(` tunnel --deployment ${name} `))
}

/** The alias last, behind everything that could be a flag. Windows has no quotes but those that end what is in the config: there no word may need any. */
function commandLine({ program, folder, platform }: ConfigParts, words: readonly string[]): string {
  const place = folder === undefined ? [] : ['--config-folder', plainPath(folder, platform)]
  const all = [...program.map((word) => plainPath(word, platform)), ...words, ...place, '--', '%h']
  if (platform !== 'win32') return all.map((word) => (isPlain(word) ? word : `'${word}'`)).join(' ')
  const odd = all.find((word) => word.includes(' '))
  if (odd === undefined) return all.join(' ')
  throw refused(odd, 'On Windows there is no way to write a space there: keep it where no folder has one.')
}

function isPlain(word: string): boolean {
  return /^[A-Za-z0-9_/.,:@=-]+$/.test(word)
}

/** With `/` on Windows too, where OpenSSH takes both. Throws `path_refused`. */
export function plainPath(text: string, platform: string): string {
  const path = platform === 'win32' ? text.replaceAll('\\', '/') : text
  // Quotes and escapes, what a shell or ssh puts something in for, and what `Include` takes for a pattern.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is refused.
  if (!/[\u0000-\u001f\u007f"'`$%\\*?[\]{}!]/.test(path)) return path
  throw refused(text, 'It has a character that means something there. GATEHOUSE_CLI_CONFIG names another folder.')
}

function refused(path: string, why: string): CliFault {
  return new CliFault('path_refused', `'${path}' cannot be written into ssh_config`, {
    hint: why,
  })
}
