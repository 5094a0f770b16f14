/**
 * `gatehouse completion`: scripts for four shells. Each of them only asks the program what may follow (`completion words`), so that all shells
 * complete the same, and a new command is known to all of them.
 */

import { usageFault } from '#cli/client/cli-fault.ts'
import { openClient } from '#cli/client/client.ts'
import { readDeployments } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { fullName } from '#cli/client/workspace-argument.ts'
import { WorkspaceListSchema } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { parseWorkspaceRef } from '#surface/workspace-ref.ts'
import type { PersonCommand } from './person-command.ts'

type Commands = ReadonlyMap<string, PersonCommand>

export async function completion(args: readonly string[], io: PersonIo, commands: Commands): Promise<number> {
  const [shell, ...rest] = args
  if (shell === 'words') return words(typedWords(rest), io, commands)
  const script = shell === undefined || rest.length > 0 ? undefined : scripts.get(shell)
  if (script === undefined) throw usageFault(`name one shell: ${[...scripts.keys()].join(', ')}`)
  io.stdout.write(script)
  return 0
}

/** `--next`: nothing is typed yet of the last one; PowerShell 5 hands on no empty arguments. */
function typedWords(args: readonly string[]): readonly string[] {
  const start = args.indexOf('--') + 1
  return args[0] === '--next' ? [...args.slice(start), ''] : args.slice(start)
}

/** One a line, whatever begins as the last word does. Nothing that goes wrong here may disturb whoever is typing. */
async function words(typed: readonly string[], io: PersonIo, commands: Commands): Promise<number> {
  const apart = flagsApart(typed)
  const last = apart.at(-1) ?? ''
  const fitting = (await candidates(apart, io, commands)).filter((word) => word.startsWith(last))
  // The shell puts them in the place of all that it takes for the last word.
  const [, flag = ''] = flagWithValue.exec(typed.at(-1) ?? '') ?? []
  io.stdout.write(fitting.map((word) => `${flag}${word}\n`).join(''))
  return 0
}

const flagWithValue = /^(--[a-z-]+=)(.*)$/s

/** A flag and its value as two words: `--deployment=prod` is one for most shells, and three for bash. */
function flagsApart(typed: readonly string[]): readonly string[] {
  return typed.flatMap((word, at) => {
    if (word === '=' && typed[at - 1]?.startsWith('--')) return at === typed.length - 1 ? [''] : []
    const [, flag, value] = flagWithValue.exec(word) ?? []
    return flag === undefined || value === undefined ? [word] : [flag.slice(0, -1), value]
  })
}

/** What may stand where the last word stands. */
async function candidates(typed: readonly string[], io: PersonIo, commands: Commands): Promise<readonly string[]> {
  const [name = '', ...rest] = typed
  if (rest.length === 0) return [...commands.keys()]
  const command = commands.get(name)
  if (!command) return []
  const before = rest.at(-2) ?? ''
  if (before === '--deployment' || before === '-d') return (await readDeployments(io)).all.map((one) => one.name)
  if (before === '--output' || before === '-o') return ['table', 'json']
  const values = command.values?.get(before)
  if (values) return values
  if (rest.at(-1)?.startsWith('-')) return flagsOf(command)
  if (name === 'completion') return [...scripts.keys()]
  return takesWorkspace(command) ? workspaces(io, deploymentIn(rest)) : []
}

function flagsOf({ help }: PersonCommand): readonly string[] {
  return [
    ...new Set([...help.matchAll(/^ {2}.{4}(--[a-z-]+)/gm)].flatMap(([, flag]) => (flag === undefined ? [] : [flag]))),
  ]
}

/** What was typed for it: of several the last one, as where the command is run. */
function deploymentIn(typed: readonly string[]): string | undefined {
  const at = typed.findLastIndex((word) => word === '--deployment' || word === '-d')
  return at === -1 ? undefined : typed[at + 1]
}

function takesWorkspace({ help }: PersonCommand): boolean {
  return /^usage: .*\bWORKSPACE\b/.test(help)
}

/** Names alone: a shell puts them on the command line as they are. */
async function workspaces(io: PersonIo, deployment: string | undefined): Promise<readonly string[]> {
  try {
    const client = await openClient(io, deployment)
    const { workspaces } = await client.get(api.workspaces, WorkspaceListSchema)
    return workspaces.filter(({ namespace, name }) => parseWorkspaceRef(namespace, name)).map(fullName)
  } catch {
    return []
  }
}

const scripts: ReadonlyMap<string, string> = new Map([
  [
    'bash',
    `# gatehouse completion for bash: source <(gatehouse completion bash)
_gatehouse() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(gatehouse completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _gatehouse gatehouse
`,
  ],
  [
    'zsh',
    `#compdef gatehouse
# gatehouse completion for zsh: source <(gatehouse completion zsh)
_gatehouse() {
  local -a found
  found=("\${(@f)$(gatehouse completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  (( \${#found} )) && compadd -a found
}
if [[ "\${funcstack[1]}" == "_gatehouse" ]]; then _gatehouse; else compdef _gatehouse gatehouse; fi
`,
  ],
  [
    'fish',
    `# gatehouse completion for fish: gatehouse completion fish | source
function __gatehouse_words
  set -l typed (commandline -opc)
  gatehouse completion words -- $typed[2..-1] (commandline -ct) 2>/dev/null
end
complete -c gatehouse -f -a '(__gatehouse_words)'
`,
  ],
  [
    'powershell',
    `# gatehouse completion for PowerShell: gatehouse completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName gatehouse -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $typed = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
  $next = @(if ($wordToComplete -eq '') { '--next' })
  & gatehouse completion words @next '--' @typed 2>$null | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`,
  ],
])
