/** Every command of a person, in the order in which they are listed. Each is loaded when it is run: what opens a tunnel must not wait for the rest. */
import { deploymentHelp, formatHelp, help, workspaceHelp } from './command-help.ts'
import type { PersonCommand } from './person-command.ts'
import { sshCommands } from './ssh-commands.ts'

const logsHelp = help(
  'logs WORKSPACE [FLAG ...]',
  'The last lines that it wrote, for those who may start and stop it. With any of these flags kubectl reads them, as you and by your own rights:',
  '  -f, --follow            goes on with what it writes\n',
  '  -p, --previous          of the container before this one\n',
  '      --tail NUMBER       so many lines of it\n',
  '\n',
  deploymentHelp,
  workspaceHelp,
)

const logsCommand: PersonCommand = {
  summary: 'what a workspace writes',
  help: logsHelp,
  load: async () => {
    const { logs } = await import('./logs.ts')
    return (args, io) => logs(args, io, logsHelp)
  },
}

export const personCommands: ReadonlyMap<string, PersonCommand> = new Map<string, PersonCommand>([
  [
    'login',
    {
      summary: 'log this machine in, by a browser',
      help: help(
        'login [URL] [FLAG ...]',
        'Opens the browser, where you agree, and keeps the login in a file of yours alone. URL is that of the console; without one, of the deployment.',
        deploymentHelp,
        '      --name NAME         what the deployment is called here; the first part of its host when absent\n',
        '      --no-browser        shows an address for a browser anywhere, and asks for the code that it shows\n',
        '      --device NAME       what the page that asks you calls this machine\n',
        '      --ca-file FILE      an authority that its certificate may come from (PEM), beside those of this machine\n',
      ),
      load: async () => (await import('./login.ts')).login,
    },
  ],
  [
    'logout',
    {
      summary: 'end the login of this machine',
      help: help(
        'logout [FLAG ...]',
        'Ends the login at the gateway, with all that it has open, and forgets it here.',
        deploymentHelp,
        '      --forget            the gateway itself too: its name here, its URL, and what it calls itself for ssh\n',
      ),
      load: async () => (await import('./logout.ts')).logout,
    },
  ],
  [
    'list',
    {
      summary: 'your workspaces, and those that others share with you',
      help: help(
        'list [FLAG ...]',
        'Every workspace that you may open.',
        deploymentHelp,
        '  -n, --namespace NAME    those of one namespace\n',
        formatHelp,
      ),
      load: async () => (await import('./list.ts')).list,
    },
  ],
  [
    'status',
    {
      summary: 'how a workspace is, or who you are here',
      help: help(
        'status [WORKSPACE] [FLAG ...]',
        'Without a workspace: where you are logged in, as whom, and until when.',
        deploymentHelp,
        workspaceHelp,
        formatHelp,
      ),
      load: async () => (await import('./status.ts')).status,
    },
  ],
  [
    'start',
    {
      summary: 'start a workspace, and wait until it answers',
      help: help(
        'start WORKSPACE [FLAG ...]',
        'Says what happens meanwhile, and prints its address when it answers.',
        deploymentHelp,
        workspaceHelp,
        '      --no-wait           only asks for it\n',
        '      --timeout SPAN      how long to wait: 90s, 10m (the default)\n',
        formatHelp,
      ),
      load: async () => (await import('./start.ts')).start,
    },
  ],
  [
    'stop',
    {
      summary: 'stop a workspace',
      help: help(
        'stop WORKSPACE [FLAG ...]',
        'Waits until it has stopped.',
        deploymentHelp,
        workspaceHelp,
        '      --no-wait           only asks for it\n',
        '      --timeout SPAN      how long to wait: 90s, 10m (the default)\n',
        formatHelp,
      ),
      load: async () => (await import('./stop.ts')).stop,
    },
  ],
  [
    'open',
    {
      summary: 'open a workspace in the browser',
      help: help(
        'open WORKSPACE [FLAG ...]',
        'Prints its address, and opens it. One that is stopped leads to the page where it can be started.',
        deploymentHelp,
        workspaceHelp,
        '      --port PORT         another port of it, by name or number\n',
        '      --print             prints the address alone\n',
      ),
      load: async () => (await import('./open.ts')).open,
    },
  ],
  [
    'share',
    {
      summary: 'let others open a workspace, or see who may',
      help: help(
        'share WORKSPACE [FLAG ...]',
        'Without anybody named: its shares.',
        deploymentHelp,
        workspaceHelp,
        '      --user NAME         whom to share it with; may be repeated\n',
        '      --group NAME        a group; may be repeated\n',
        '      --service-account NAMESPACE/NAME   a machine; may be repeated\n',
        '      --access ACCESS     connect (the default), modify (start and stop as well), own (administrators only)\n',
        '      --port NAME         this port alone; may be repeated\n',
        '      --type TYPE         by this kind of connection alone; may be repeated: web-ui, ssh-remote, vscode-remote,\n',
        '                          port-forward, which is in no share that does not name it\n',
        '      --for SPAN          for how long: 8h, 7d\n',
        '      --until TIME        until then, as RFC 3339: 2027-01-31T18:00:00Z\n',
        formatHelp,
      ),
      values: new Map([
        ['--access', ['connect', 'modify', 'own']],
        ['--type', ['web-ui', 'ssh-remote', 'vscode-remote', 'port-forward']],
      ]),
      load: async () => (await import('./share.ts')).share,
    },
  ],
  [
    'unshare',
    {
      summary: 'take a share back',
      help: help(
        'unshare WORKSPACE [SHARE ...] [FLAG ...]',
        'Takes back the shares of these names ("gatehouse share WORKSPACE" lists them); what is open by them is closed.',
        deploymentHelp,
        workspaceHelp,
        '      --user NAME         those that are for this person alone\n',
        '      --group NAME        those that are for this group alone\n',
      ),
      load: async () => (await import('./unshare.ts')).unshare,
    },
  ],
  [
    'explain',
    {
      summary: 'may somebody open a workspace, and why',
      help: help(
        'explain WORKSPACE --user NAME [FLAG ...]',
        'For its owner and administrators. The exit code is 0 when they may, and 1 when they may not.',
        deploymentHelp,
        workspaceHelp,
        '      --user NAME         who\n',
        '      --group NAME        as a member of this group, whatever is known of him; may be repeated\n',
        formatHelp,
      ),
      load: async () => (await import('./explain.ts')).explain,
    },
  ],
  [
    'activity',
    {
      summary: 'who works in a workspace, and why it is or is not idle',
      help: help(
        'activity WORKSPACE [FLAG ...]',
        'What is known of who works there, with the evidence, and when it would stop.',
        deploymentHelp,
        workspaceHelp,
        '      --keep              asks that it is kept for an hour from now, whoever works in it\n',
        formatHelp,
      ),
      load: async () => (await import('./activity.ts')).activity,
    },
  ],
  ['logs', logsCommand],
  ['log', { ...logsCommand, isAlias: true }],
  ...sshCommands,
  [
    'port-forward',
    {
      summary: 'ports of a workspace as ports of this machine',
      help: help(
        'port-forward WORKSPACE [LOCAL:]PORT ... [FLAG ...]',
        'Listens on loopback until Ctrl-C; every connection is one to the port of the workspace, in your name. LOCAL is PORT when absent, and any free one when empty.',
        deploymentHelp,
        workspaceHelp,
      ),
      load: async () => (await import('./port-forward.ts')).portForward,
    },
  ],
  [
    'doctor',
    {
      summary: 'is here what desktop IDEs need, and is the gateway reached',
      help: help(
        'doctor [WORKSPACE] [FLAG ...]',
        'Looks at the system, its ssh client, VS Code with Remote-SSH, and the way to each gateway; at the image of a workspace that runs, where one is named. The exit code is 1 when something is missing.',
        deploymentHelp,
        workspaceHelp,
        formatHelp,
      ),
      load: async () => (await import('./doctor.ts')).doctor,
    },
  ],
  [
    'ssh-host',
    {
      isForPrograms: true,
      summary: 'beside the SSH server of a pod: who it is, and who may enter',
      help: help(
        'ssh-host --gateway URL [FLAG ...]',
        'Gets the certificate of the pod that it runs in, and renews it every ten minutes until it is told to end; docs/ssh-image.md says what it takes.',
        '      --gateway URL       https://ws.example.com\n',
        '      --folder DIR        what it keeps: /run/gatehouse-ssh\n',
        '      --token-file FILE   a token of the pod for this alone: /var/run/gatehouse/token\n',
        '      --pid-file FILE     of sshd, which is told to read its files again (SIGHUP) where this command may\n',
        '      --connect HOST:PORT where to connect to, if that is not where the name of the gateway leads\n',
        '      --ca-file FILE      an authority that its certificate may come from (PEM)\n',
        '      --once              ends when the files are there, as an init container does\n',
      ),
      load: async () => (await import('./ssh-host.ts')).sshHost,
    },
  ],
  [
    'completion',
    {
      summary: 'completion for bash, zsh, fish or powershell',
      help: help(
        'completion SHELL',
        'Prints a script for bash, zsh, fish or powershell; its first line says how to use it.',
      ),
      load: async () => {
        const { completion } = await import('./completion.ts')
        return (args, io) => completion(args, io, personCommands)
      },
    },
  ],
  [
    'version',
    {
      summary: 'which Gatehouse this is, as "gatehouse --version" says too',
      help: help('version', 'Prints the version of this program, and nothing else. "gatehouse --version" is the same.'),
      load: async () => (await import('./version.ts')).version,
    },
  ],
])
