#!/usr/bin/env node
// The launcher. Any Node that still runs somewhere must be able to read it, because its first duty is to say that this one is too old.
const needed = [24, 15]
const found = process.versions.node
const parts = found.split('.').map(Number)
const isNewEnough = parts[0] > needed[0] || (parts[0] === needed[0] && parts[1] >= needed[1])

if (isNewEnough) {
  import('../src/main.ts')
    .then((gatehouse) => gatehouse.main(process.argv.slice(2), process))
    .then(
      (code) => {
        if (typeof code === 'number') process.exitCode = code
      },
      (error) => {
        process.stderr.write(`gatehouse: ${error instanceof Error ? error.stack : error}\n`)
        process.exitCode = 1
      },
    )
} else {
  process.stderr.write(
    `Gatehouse needs Node ${needed.join('.')} or later, and this is Node ${found}.\n` +
      'A fitting one comes with its dependencies: run "npm ci" in the folder of Gatehouse, then "npm start", which uses it.\n',
  )
  process.exitCode = 1
}
