/** The checks of `gatehouse doctor` before a connection is tried: what is missing is said with how to install it, and what the command can't do without ends it. */
import { CliFault } from '#cli/client/cli-fault.ts'
import type { Deployment } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { checkGateway } from '#cli/doctor/gateway.ts'
import { machineProbes } from '#cli/doctor/machine-probes.ts'
import type { Finding } from '#cli/doctor/probes.ts'
import { checkMachine } from '#cli/doctor.ts'
import { printable } from '#observe/printable.ts'

/** Of VS Code alone. */
const ofVsCode: readonly string[] = ['vscode', 'remote-ssh']

/** `needsVsCode`: without it there is nothing to open; else it is only said. Throws `requirements_missing`. */
export async function checkFirst(
  io: PersonIo,
  deployment: Deployment,
  { needsVsCode }: { readonly needsVsCode: boolean },
): Promise<void> {
  const found = await Promise.all([checkMachine(machineProbes(io)), checkGateway(io, deployment)])
  demand(io, found.flat(), (check) => needsVsCode || !ofVsCode.includes(check))
}

/** Says whatever is missing, and how to install it. Throws `requirements_missing` where any of it `isNeeded`. */
export function demand({ stderr }: PersonIo, findings: readonly Finding[], isNeeded: (check: string) => boolean): void {
  const missing = findings.filter(({ verdict }) => verdict === 'missing')
  for (const { check, found, remedy = '' } of missing)
    stderr.write(`${printable(`${check}: ${found}. ${remedy}`.trim(), 1024)}\n`)
  const needed = missing.filter(({ check }) => isNeeded(check)).map(({ check }) => check)
  if (needed.length === 0) return
  throw new CliFault('requirements_missing', `missing: ${needed.join(', ')}`, {
    hint: 'See above for what to install; --no-checks goes on without looking.',
  })
}
