/** `gatehouse doctor`: has this machine what desktop IDEs need, and is the gateway reached? Every check is a value; how to mend what is missing is said. */
import { commonOptions, formatOptions, readArguments, takePositionals } from '#cli/client/arguments.ts'
import { isCliFault } from '#cli/client/cli-fault.ts'
import { findDeployment } from '#cli/client/client.ts'
import { type Deployment, readDeployments } from '#cli/client/deployments.ts'
import type { PersonIo } from '#cli/client/person-io.ts'
import { parseFormat, printJson, printTable } from '#cli/client/printing.ts'
import { askAbout, workspaceOptions } from '#cli/client/workspace-argument.ts'
import { checkGateway } from '#cli/doctor/gateway.ts'
import { machineProbes } from '#cli/doctor/machine-probes.ts'
import { type Finding, markUntried, type Probes } from '#cli/doctor/probes.ts'
import { checkPowerShell, checkSsh, checkSystem } from '#cli/doctor/system.ts'
import { checkVsCode } from '#cli/doctor/vs-code.ts'
import { checkView } from '#cli/doctor/workspace.ts'
import { checkImage } from '#cli/ssh/image-check.ts'
import { findTarget, type TargetNamed } from '#cli/ssh/target.ts'
import { WorkspaceSchema } from '#surface/messages.ts'
import { api } from '#surface/urls.ts'
import { sshRemote } from '#workspace/connections.ts'

/** 1 when anything is missing; what is not known is no fault. */
export async function doctor(args: readonly string[], io: PersonIo): Promise<number> {
  const { values, positionals } = readArguments(args, { ...commonOptions, ...formatOptions, ...workspaceOptions })
  takePositionals(positionals, { least: 0, names: ['workspace'] })
  const format = parseFormat(values.output)
  const deployments = await deploymentsOf(io, values.deployment)
  const probes = machineProbes(io)
  const machine = [...(await checkMachine(probes)), ...(await checkGateways(io, deployments))]
  const findings = [...machine, ...(await checkWorkspace(io, probes, positionals[0], values))]
  if (format === 'json') printJson(io.stdout, findings)
  else print(io, findings)
  return findings.some(({ verdict }) => verdict === 'missing') ? 1 : 0
}

/** What Remote-SSH needs on a person's machine. */
export async function checkMachine(probes: Probes): Promise<readonly Finding[]> {
  const [system, ssh, powerShell, vsCode] = await Promise.all([
    checkSystem(probes),
    checkSsh(probes),
    checkPowerShell(probes),
    checkVsCode(probes),
  ])
  return [system, ssh, ...powerShell, ...vsCode].map((finding) => markUntried(finding, probes))
}

/** The workspace, its agent, and the image of one that runs: nothing is started by a look, and nothing is asked that can't be reached. */
async function checkWorkspace(
  io: PersonIo,
  probes: Probes,
  name: string | undefined,
  named: TargetNamed,
): Promise<readonly Finding[]> {
  if (name === undefined) return []
  try {
    const target = await findTarget(io, name, named)
    const { client, ref } = target
    const view = await askAbout(ref, () => client.get(api.workspace(ref), WorkspaceSchema))
    const findings = checkView(view, io.clock.now())
    if (findings.some(({ verdict }) => verdict === 'missing')) return findings
    return [...findings, ...(await checkImage(io, probes, target, sshRemote)).findings]
  } catch (error) {
    if (!isCliFault(error) || error.code === 'usage') throw error
    const { message, code, hint } = error
    const found = `${message} (${code})`
    return [{ check: 'workspace', verdict: 'missing', found, ...(hint === undefined ? {} : { remedy: hint }) }]
  }
}

async function deploymentsOf(io: PersonIo, named: string | undefined): Promise<readonly Deployment[]> {
  return named === undefined ? (await readDeployments(io)).all : [await findDeployment(io, named)]
}

async function checkGateways(io: PersonIo, deployments: readonly Deployment[]): Promise<readonly Finding[]> {
  const findings = await Promise.all(deployments.map((deployment) => checkGateway(io, deployment)))
  if (findings.length > 0) return findings.flat()
  const remedy = 'Log in at one: gatehouse login https://…'
  return [{ check: 'gateway', verdict: 'missing', found: 'no gateway is known here', remedy }]
}

function print({ stdout, stderr }: PersonIo, findings: readonly Finding[]): void {
  const rows = findings.map(({ check, verdict, found, untested }) => [
    ...[check, verdict, untested === true ? `${found} (untested on a real system of this kind)` : found],
  ])
  printTable(stdout, ['CHECK', 'VERDICT', 'FOUND'], rows)
  for (const { verdict, check, remedy } of findings)
    if (verdict !== 'ok' && remedy !== undefined) stderr.write(`${check}: ${remedy}\n`)
}
