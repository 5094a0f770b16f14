/** How `--help` of every command looks. Completion finds the flags in it. */

export const deploymentHelp =
  '  -d, --deployment NAME   which gateway, where you are logged in at several (GATEHOUSE_CLI_DEPLOYMENT)\n'
export const formatHelp = '  -o, --output FORMAT     table, or json for programs\n'
export const workspaceHelp =
  '  -n, --namespace NAME    its namespace; WORKSPACE may be NAMESPACE/NAME, or a name that only one has\n'

export function help(usage: string, what: string, ...flags: readonly string[]): string {
  return `usage: gatehouse ${usage}\n\n${what}\n\n${flags.join('')}`
}
