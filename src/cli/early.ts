/**
 * What the one file of the command line does before the rest of it is even read: a certificate that is there already is all that ssh waits for, each time that somebody
 * connects, and to compile the whole takes longer than to look at it.
 */
import { isCached, readCertificateWish } from '#cli/ssh/cached-certificate.ts'
import { personMachine } from './person-machine.ts'

/** Whether there is nothing left to do. */
export async function early(program: NodeJS.Process): Promise<boolean> {
  const [command, ...args] = program.argv.slice(2)
  if (command !== 'ssh-certificate') return false
  using machine = personMachine(program)
  try {
    return await isCached(readCertificateWish(args, machine.io))
  } catch {
    // The whole comes to the same end, and says it.
    return false
  }
}
