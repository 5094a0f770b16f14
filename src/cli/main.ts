/** The command line on its own, as the one file that gateways serve: commands of people, and none that run a gateway. */
import { personMain } from './person.ts'
import { personMachine } from './person-machine.ts'

async function main(program: NodeJS.Process): Promise<void> {
  using machine = personMachine(program)
  program.exitCode = await personMain(program.argv.slice(2), machine.io)
}

main(process).catch((error: unknown) => {
  process.stderr.write(`gatehouse: ${error instanceof Error ? error.stack : error}\n`)
  process.exitCode = 1
})
