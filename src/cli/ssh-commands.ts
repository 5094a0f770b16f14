/** Commands of OpenSSH and desktop IDEs, as a part of the list of commands. */
import { ides } from '#surface/ide-link.ts'
import { deploymentHelp, formatHelp, help, workspaceHelp } from './command-help.ts'
import type { PersonCommand } from './person-command.ts'

const timeoutHelp = '      --timeout SPAN      how long to wait until it runs: 90s, 10m (the default)\n'
const checksHelp = '      --no-checks         does not look first at what is missing here ("gatehouse doctor")\n'

export const sshCommands: readonly (readonly [string, PersonCommand])[] = [
  [
    'config-ssh',
    {
      summary: 'make workspaces hosts of ssh, scp and desktop IDEs',
      help: help(
        'config-ssh [FLAG ...]',
        'Then "ssh NAME.NAMESPACE.DEPLOYMENT.gatehouse" works, at every gateway that you are logged in at. Writes a file of its own, and one line into ~/.ssh/config that includes it.',
        '      --dry-run           prints what would be written, and writes nothing\n',
        '      --remove            takes all of it away again\n',
        '      --agent-forwarding  lets workspaces reach the agent of this machine: for those whom you trust with your keys\n',
        formatHelp,
      ),
      load: async () => (await import('./config-ssh.ts')).configSsh,
    },
  ],
  [
    'ssh',
    {
      summary: 'a shell in a workspace, or one command',
      help: help(
        'ssh WORKSPACE [FLAG ...] [-- ARGUMENT ...]',
        'Starts it if it is stopped. What stands behind -- is for ssh: "-L 8000:localhost:8000", or a command. The exit code is that of ssh.',
        deploymentHelp,
        workspaceHelp,
        timeoutHelp,
        checksHelp,
      ),
      load: async () => (await import('./ssh.ts')).ssh,
    },
  ],
  [
    'cp',
    {
      summary: 'copy files to a workspace, or from it',
      help: help(
        'cp [FLAG ...] SOURCE ... TARGET',
        'One side is WORKSPACE:PATH, the other one of this machine. The exit code is that of scp.',
        deploymentHelp,
        '  -n, --namespace NAME    the namespace of the workspace\n',
        '  -r, --recursive         whole folders\n',
        '  -p, --preserve          times and modes as they are\n',
        '  -q, --quiet             without progress\n',
      ),
      load: async () => (await import('./cp.ts')).cp,
    },
  ],
  [
    'code',
    {
      summary: 'open a workspace in VS Code, Cursor or another desktop IDE',
      help: help(
        'code WORKSPACE [FOLDER] [FLAG ...]',
        'Starts it if it is stopped, looks whether all is there, and opens FOLDER (the one of the person within when absent) in the IDE of this machine. Needs "gatehouse config-ssh", once for each gateway. Prints the address.',
        deploymentHelp,
        workspaceHelp,
        `      --ide IDE           ${[...ides.keys()].join(', ')}; the first one when absent\n`,
        '      --print             prints the address alone\n',
        timeoutHelp,
        checksHelp,
        formatHelp,
      ),
      values: new Map([['--ide', [...ides.keys()]]]),
      load: async () => (await import('./code.ts')).code,
    },
  ],
  [
    'tunnel',
    {
      isForPrograms: true,
      summary: 'the ProxyCommand of OpenSSH',
      help: help(
        'tunnel WORKSPACE [FLAG ...]',
        'Joins standard input and output with a port of a workspace, that of SSH when none is named. WORKSPACE may be its alias, as in ssh_config.',
        deploymentHelp,
        workspaceHelp,
        '      --port NUMBER       another port, with --type port-forward\n',
        '      --type TYPE         the kind of connection, as shares name it: ssh-remote, vscode-remote, port-forward\n',
        '      --config-folder DIR where logins are kept, instead of what GATEHOUSE_CLI_CONFIG says\n',
      ),
      values: new Map([['--type', ['ssh-remote', 'vscode-remote', 'port-forward']]]),
      load: async () => (await import('./tunnel.ts')).tunnel,
    },
  ],
  [
    'ssh-certificate',
    {
      isForPrograms: true,
      summary: 'the certificate that ssh needs, as "Match … exec" of OpenSSH',
      help: help(
        'ssh-certificate ALIAS [FLAG ...]',
        'Sees to it that there is one for this alias, that is good for some minutes yet. Prints nothing.',
        deploymentHelp,
        '      --agent-forwarding  one by which the agent of this machine may be used\n',
        '      --config-folder DIR where logins are kept, instead of what GATEHOUSE_CLI_CONFIG says\n',
      ),
      load: async () => (await import('./ssh-certificate.ts')).sshCertificate,
    },
  ],
]
